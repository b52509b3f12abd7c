"""`virtual-tutor`: every command is a module of this package with SUMMARY, configure() and run()."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Protocol, cast

from entrypoints.cli import console
from entrypoints.runtime import NotRunning
from entrypoints.settings import SettingsError

COMMANDS = {
    "serve": "serve",
    "worker": "worker",
    "demo": "demo",
    "create-admin": "create_admin",
    "audit": "audit",
    "migrate": "migrate",
    "settings": "settings",
    "models": "models",
    "doctor": "doctor",
    "avatar-instance": "avatar_instance",
}
EPILOG = """\
try it:
  virtual-tutor serve                    start everything on this machine, then open the address it prints
  virtual-tutor demo                     (in a second terminal) drive the whole journey over HTTP
  virtual-tutor doctor                   look at every configured part, say what is wrong and how to mend it

change something: settings come from the environment or a .env file
  PORT=8203 virtual-tutor serve
  DATABASE_URL=postgresql://tutor:…@db/tutor REDIS_URL=redis://cache:6379/0 virtual-tutor serve
  LLM_URL=openai+http://localhost:11434/v1 LLM_MODEL=llama3.1:8b virtual-tutor serve
  virtual-tutor settings                 all of them, with their values and where each came from

`virtual-tutor COMMAND --help` tells more about each command.
"""


class Command(Protocol):
    """What a module of a command offers; its docstring is the help text."""

    SUMMARY: str

    def configure(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int:
        """The exit status."""
        ...


def command(name: str) -> Command:
    return cast(Command, import_module(f"entrypoints.cli.{COMMANDS[name]}"))


def build_parser(names: Iterable[str] = COMMANDS) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="virtual-tutor",
        description="The backend of a talking tutor, on one machine or many.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in names:
        module = command(name)
        own = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(own)
        own.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    known = [name for name in given[:1] if name in COMMANDS]
    chosen = build_parser(known or COMMANDS).parse_args(given)  # only what is asked for is imported
    try:
        code: int = chosen.run(chosen)
    except SettingsError as error:
        console.complain("The settings are not right:", *(f"  - {problem}" for problem in error.problems))
        return 2
    except NotRunning as error:
        console.complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as in `virtual-tutor settings | head`
        sys.stderr.close()
        return 1
    return code
