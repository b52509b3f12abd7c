"""`virtual-tutor`: every command is a module of this package with SUMMARY, configure() and run()."""

import argparse
import sys
from collections.abc import Sequence

from entrypoints.cli import console, create_admin, demo, doctor, migrate, models, serve, worker
from entrypoints.cli import settings as settings_command
from entrypoints.runtime import NotRunning
from entrypoints.settings import SettingsError

COMMANDS = {
    "serve": serve,
    "worker": worker,
    "demo": demo,
    "create-admin": create_admin,
    "migrate": migrate,
    "settings": settings_command,
    "models": models,
    "doctor": doctor,
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


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="virtual-tutor",
        description="The backend of a talking tutor, on one machine or many.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = build_parser().parse_args(arguments)
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
