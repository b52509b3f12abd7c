"""Print every setting with its value and where it came from; secrets and passwords stay hidden.

examples:
  virtual-tutor settings                 all of them
  virtual-tutor settings --changed       only what differs from the defaults
  virtual-tutor settings --markdown      the table of docs/configuration.md
"""

import argparse

from entrypoints.cli.console import BOLD, say, settings_with_warnings, styled
from entrypoints.setting_table import Spec, shown_value, specs

SUMMARY = "print every setting, its value and where it came from"
INTRODUCTION = """\
# Configuration

Every setting comes from the environment or from a `.env` file (in the checkout, or in the folder the
command is started from); the environment wins. An empty value counts as not set. Everything is checked as a
whole at start, with one line for each mistake. `virtual-tutor settings` prints the values in effect and
where each came from.

This page is generated: `virtual-tutor settings --markdown > docs/configuration.md`.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--changed", action="store_true", help="leave the defaults out")
    parser.add_argument(
        "--markdown", action="store_true", help="print the documentation instead of the values"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.markdown:
        say(markdown())
        return 0
    settings = settings_with_warnings()
    group = ""
    for name, spec in specs():
        if arguments.changed and settings.origins[name] == "default":
            continue
        if spec.group != group:
            group = spec.group
            say("", styled(group, BOLD))
        say(f"  {name:<25} {shown_value(settings, name, spec):<44} {settings.origins[name]}")
    return 0


def markdown() -> str:
    groups: dict[str, list[str]] = {}
    for name, spec in specs():
        groups.setdefault(spec.group, []).append(_row(name, spec))
    tables = [
        "\n".join((f"## {group}", "", "| Setting | Default | What it does |", "|---|---|---|", *rows))
        for group, rows in groups.items()
    ]
    return "\n\n".join((INTRODUCTION.strip(), *tables))


def _row(name: str, spec: Spec) -> str:
    default = f"`{spec.shown}`" if spec.shown == spec.default else spec.shown
    return f"| `{name}` | {default} | {spec.help} |"
