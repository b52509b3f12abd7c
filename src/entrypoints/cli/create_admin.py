"""Make the first administrator (or a tutor); nobody can become one over HTTP alone.

examples:
  virtual-tutor create-admin head@school.org                      asks for the password
  virtual-tutor create-admin ann@school.org --role tutor
  pwgen 20 1 | virtual-tutor create-admin head@school.org --password-stdin
"""

import argparse
import asyncio
import getpass
import sys

from domain.errors import DomainError
from entrypoints.cli.console import complain, say, settings_with_warnings

SUMMARY = "make an administrator or a tutor"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("email", help="address of the account")
    parser.add_argument("--role", choices=["admin", "tutor"], default="admin", help="default: admin")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")


def run(arguments: argparse.Namespace) -> int:
    from adapters.sql import migrate  # the database layer; --help does not need it
    from entrypoints.admin import create_admin

    settings = settings_with_warnings()
    password = _password(arguments.password_stdin)
    if password is None:
        complain("The two passwords differ.")
        return 1
    migrate.upgrade(settings.sqlalchemy_url)  # this may be the first thing anybody does here
    try:
        asyncio.run(create_admin(settings, arguments.email, password, arguments.role))
    except DomainError as refusal:
        complain(refusal.msg)
        return 1
    say(f"{arguments.email} is {'an admin' if arguments.role == 'admin' else 'a tutor'} now and can log in.")
    return 0


def _password(from_stdin: bool) -> str | None:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password (8 to 128 characters): ")
    return first if first == getpass.getpass("Once more: ") else None
