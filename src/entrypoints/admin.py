"""Accounts made on the command line: the only way to the first admin."""

from adapters.argon2.hasher import Argon2Hasher
from adapters.clock import SystemClock
from adapters.common_passwords import common_passwords
from adapters.sql.engine import database
from adapters.sql.work import SqlWorkFactory
from application.admin.create_user import CreateUser, NewUser
from application.ports.persistence import System
from entrypoints.settings import Settings


async def create_admin(settings: Settings, email: str, password: str, role: str) -> int:
    """The id of the new account. Raises the refusals of CreateUser."""
    engine, sessions = database(settings.sqlalchemy_url)
    hasher = Argon2Hasher(at_once=1)
    create_user = CreateUser(
        work=SqlWorkFactory(sessions),
        hasher=hasher,
        clock=SystemClock(),
        common_passwords=common_passwords(),
    )
    try:
        return await create_user(System(), NewUser(email=email, password=password, role=role))
    finally:
        hasher.close()
        await engine.dispose()
