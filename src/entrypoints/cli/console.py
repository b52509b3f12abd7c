"""What the commands print, and how."""

import sys

from entrypoints.settings import Settings, load_settings

BOLD, DIM, RED, GREEN, YELLOW, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"


def styled(text: str, *styles: str) -> str:
    """With colours on a terminal, without anywhere else."""
    return f"{''.join(styles)}{text}{PLAIN}" if sys.stdout.isatty() else text


def say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


def complain(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def settings_with_warnings() -> Settings:
    """The settings; what is legal but dubious about them goes to standard error."""
    settings = load_settings()
    for warning in settings.warnings:
        complain(f"warning: {warning}")
    return settings
