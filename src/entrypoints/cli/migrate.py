"""Bring the database to the newest tables; several at once wait for each other. `serve` does this by itself.

examples:
  virtual-tutor migrate                  the same as `migrate upgrade`
  virtual-tutor migrate --check          change nothing; exit status 1 when migrations are missing
"""

import argparse
import asyncio

from entrypoints.cli.console import complain, say, settings_with_warnings

SUMMARY = "bring the database to the newest tables"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=["upgrade"], default="upgrade", help="what to do")
    parser.add_argument("--check", action="store_true", help="only tell whether the database is up to date")


def run(arguments: argparse.Namespace) -> int:
    from adapters.sql import migrate  # takes a second to import; other commands do not need it

    settings = settings_with_warnings()
    if arguments.check:
        missing = settings.sqlite_file and not settings.sqlite_file.exists()  # looking would make it
        if not missing and asyncio.run(migrate.is_current(settings.sqlalchemy_url)):
            say("The database is up to date.")
            return 0
        complain("The database is not up to date: run `virtual-tutor migrate`.")
        return 1
    try:
        migrate.upgrade(settings.sqlalchemy_url)
    except migrate.SchemaTooNew as error:
        complain(str(error))
        return 1
    say("The database is up to date.")
    return 0
