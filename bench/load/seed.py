"""Students with a token each, for a running server: `seed.py NUMBER FILE`, with the server's settings in the
environment. Registering them over HTTP would hash passwords for minutes."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import adapters.sql.mapping  # noqa: F401  (importing it maps the entities)
from adapters.jwt.tokens import JwtTokens
from adapters.redis.client import connect
from adapters.redis.login_sessions import RedisLoginSessions
from adapters.sql.engine import database
from adapters.sql.work import SqlWorkFactory
from application.accounts.token_life import TokenLife
from domain.user import Role, User, new_user
from entrypoints.runtime import resolve
from entrypoints.settings import Settings, load_settings

LIFE = TokenLife(timedelta(hours=5), timedelta(days=1))


async def students(settings: Settings, number: int) -> Sequence[User]:
    engine, sessions = database(settings.sqlalchemy_url)
    now = datetime.now(UTC)
    async with SqlWorkFactory(sessions)() as w:
        made = [new_user(f"student{n:05}@example.org", "!", Role.STUDENT, now) for n in range(number)]
        for user in made:
            w.users.add(user)
        await w.commit()
    await engine.dispose()
    return made


async def tokens(settings: Settings, users: Sequence[User]) -> list[str]:
    now, tokens = datetime.now(UTC), JwtTokens(settings.jwt_secret_key)
    signed = []
    async with connect(settings.redis_url) as redis:
        sessions = RedisLoginSessions(redis, settings.redis_token_ttl_seconds)
        for user in users:
            claims = LIFE.first(user.id, now, now)
            await sessions.open(claims, user.email, now, single=True)
            signed.append(tokens.sign(claims, user.email, user.role))
    return signed


async def seed(number: int) -> list[str]:
    settings = resolve(load_settings())
    return await tokens(settings, await students(settings, number))


if __name__ == "__main__":
    signed = asyncio.run(seed(int(sys.argv[1])))
    Path(sys.argv[2]).write_text("".join(f"{token}\n" for token in signed))
