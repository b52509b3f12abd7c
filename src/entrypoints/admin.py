"""Accounts made on the command line: the only way to the first admin."""

from adapters.argon2.hasher import Argon2Hasher
from adapters.clock import SystemClock
from adapters.common_passwords import common_passwords
from adapters.sql.engine import database
from adapters.sql.work import SqlWorkFactory
from application.admin.create_account import CreateAccount
from domain.user import Role
from entrypoints.settings import Settings


async def create_admin(settings: Settings, email: str, password: str, role: str) -> int:
    """The id of the new account. Raises the refusals of CreateAccount."""
    engine, sessions = database(settings.sqlalchemy_url)
    hasher = Argon2Hasher(at_once=1)
    create_account = CreateAccount(
        work=SqlWorkFactory(sessions),
        hasher=hasher,
        clock=SystemClock(),
        common_passwords=common_passwords(),
    )
    try:
        return await create_account(email, password, Role(role))
    finally:
        hasher.close()
        await engine.dispose()
