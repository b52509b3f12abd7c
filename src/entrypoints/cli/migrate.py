"""Bring the database to the newest tables; several at once wait for each other. `serve` does this by itself.

examples:
  virtual-tutor migrate                          the same as `migrate upgrade`
  virtual-tutor migrate --check                  change nothing; exit status 1 when migrations are missing
  virtual-tutor migrate draft "why it changes"   for developers: a new file from what the mapping says
"""

import argparse
import asyncio
import tempfile

from entrypoints.cli.console import complain, say, settings_with_warnings
from entrypoints.settings import Settings

SUMMARY = "bring the database to the newest tables"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=["upgrade", "draft"], default="upgrade", help="what to do"
    )
    parser.add_argument("message", nargs="?", help="with draft: what changes")
    parser.add_argument("--check", action="store_true", help="only tell whether the database is up to date")


def run(arguments: argparse.Namespace) -> int:
    if arguments.action == "draft":
        return _draft(arguments.message)
    settings = settings_with_warnings()
    return _check(settings) if arguments.check else _upgrade(settings)


# The database layer takes a second to import: only these need it.


def _upgrade(settings: Settings) -> int:
    from adapters.sql import migrate

    try:
        migrate.upgrade(settings.sqlalchemy_url)
    except migrate.SchemaTooNew as error:
        complain(str(error))
        return 1
    say("The database is up to date.")
    return 0


def _check(settings: Settings) -> int:
    from adapters.sql import migrate

    missing = settings.sqlite_file and not settings.sqlite_file.exists()  # looking would make it
    if not missing and asyncio.run(migrate.is_current(settings.sqlalchemy_url)):
        say("The database is up to date.")
        return 0
    complain("The database is not up to date: run `virtual-tutor migrate`.")
    return 1


def _draft(message: str | None) -> int:
    """Compares the mapping with a fresh database; the developer's own is not touched."""
    from alembic import command
    from alembic.script import ScriptDirectory

    from adapters.sql import migrate

    if not message:
        complain('Say what changes: virtual-tutor migrate draft "sessions have a colour"')
        return 2
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/fresh.db"
        migrate.upgrade(url)
        config = migrate.config(url)
        number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
        made = command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")
    say(f"{getattr(made, 'path', 'written')}: read it, and try it with `task test:integration`.")
    return 0
