"""`virtual-tutor audit verify`, as somebody runs it; and logs that are older than their chain."""

import asyncio
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.sql import migrate
from adapters.sql.administration import SqlActionRecords
from adapters.sql.engine import database, reading
from application.admin.verify_log import VerifyLog
from application.ports.persistence import System, Target
from domain.user import UserId
from entrypoints.admin import create_admin
from tests.contracts.stores import sql_store
from tests.fakes.clock import START
from tests.integration.house import PASSWORD, settings_for
from tests.postgresql import fresh_database

SOUND = "Every line is as it was written."


def audit(url: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "entrypoints.cli", "audit", *arguments],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "ENV_FILE": os.devnull,
            "DATA_DIR": str(folder),
            "DATABASE_URL": url,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def verified(url: str, folder: Path, *more: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(audit, url, folder, "verify", *more)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, as our engine wants it."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'app.db'}"
    server: str = request.getfixturevalue("postgresql")
    return await fresh_database(server)


def setting(url: str) -> str:
    return re.sub(r"\+\w+", "", url, count=1)


async def run(url: str, *statements: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


async def unguarded(url: str, *statements: str) -> None:
    """By somebody who has the keys to the database."""
    if url.startswith("postgresql"):
        guards = ["ALTER TABLE user_action_log DISABLE TRIGGER ALL"]
    else:
        guards = [f"DROP TRIGGER user_action_log_no_{what}" for what in ("update", "delete")]
    await run(url, *guards, *statements)


async def test_what_it_says(url: str, tmp_path: Path) -> None:
    await asyncio.to_thread(migrate.upgrade, url)
    async with sql_store(url) as store, store.work() as w:
        for n in range(1, 8):
            target = Target(UserId(n), f"user{n}@school.org")
            await w.log.record(System(), "update", target, START, {"bio": ["", "x"]})
        await w.commit()

    code, told, complained = await verified(setting(url), tmp_path)
    assert (code, complained) == (0, "")
    first, second = told.splitlines()
    head = re.fullmatch(r"7 lines, head ([0-9a-f]{64})", first)
    assert head
    assert second == SOUND
    assert (await verified(setting(url), tmp_path, "--head", head[1]))[0] == 0

    await unguarded(url, "UPDATE user_action_log SET reason = 'other' WHERE id = 2")
    code, _, complained = await verified(setting(url), tmp_path)
    assert code == 1
    assert complained.strip() == (
        "Line 2 (2025-11-18 10:30:45 UTC, system: update user2@school.org) was changed after it was written."
    )

    await run(url, "DELETE FROM user_action_log WHERE id = 5")
    code, _, complained = await verified(setting(url), tmp_path)
    assert code == 1
    assert complained.splitlines()[1] == (
        "Line 6, after line 4 (2025-11-18 10:30:45 UTC, system: update user6@school.org) does not follow what"
        " stands before it: lines between them were removed, or it was changed."
    )

    await run(url, "DELETE FROM user_action_log WHERE id = 7")
    code, told, complained = await verified(setting(url), tmp_path, "--head", head[1].upper())
    assert (code, told.split(",")[0]) == (1, "5 lines")
    assert complained.splitlines()[-1] == (
        f"No line has the head {head[1]}: the end was cut off, or the log was written anew."
    )

    await run(url, "DELETE FROM user_action_log")
    assert (await verified(setting(url), tmp_path))[0] == 0
    assert (await verified(setting(url), tmp_path, "--head", head[1]))[0] == 1


async def test_before_there_is_a_database(tmp_path: Path) -> None:
    file = tmp_path / "app.db"
    code, _, complained = await verified(f"sqlite:///{file}", tmp_path)
    assert (code, file.exists()) == (2, False)
    assert "virtual-tutor migrate" in complained


async def test_a_head_must_be_one(tmp_path: Path) -> None:
    code, _, complained = await verified(f"sqlite:///{tmp_path / 'app.db'}", tmp_path, "--head", "abc")
    assert code == 2
    assert "64 hexadecimal digits" in complained


async def test_lines_older_than_the_chain_are_chained_by_the_migration(url: str) -> None:
    await asyncio.to_thread(migrate.upgrade, url, "0001")
    columns = "operator_email, role, action, target_user_id, target_user_email, reason, details, timestamp"
    moment = "'2025-11-18 10:30:45.000123'" if url.startswith("sqlite") else "'2025-11-18 10:30:45.000123+00'"
    rows = [
        f"('a@b.org', 'admin', 'create', 1, 'a@b.org', NULL, NULL, {moment})",
        f"('a@b.org', 'admin', 'update', 2, 'ü@b.org', 'weil', '{{\"bio\": [\"\", \"Größe\"]}}', {moment})",
        f"('b@b.org', 'student', 'delete', 3, NULL, '', '{{\"z\": 1, \"a\": [1, null]}}', {moment})",
    ]
    await run(url, *(f"INSERT INTO user_action_log ({columns}) VALUES {row}" for row in rows))

    await asyncio.to_thread(migrate.upgrade, url)

    async with sql_store(url) as store, store.work() as w:
        await w.log.record(System(), "login", Target(UserId(1), "a@b.org"), START)
        await w.commit()
    engine, _ = database(url)
    verdict = await VerifyLog(SqlActionRecords(reading(engine)))()
    await engine.dispose()
    assert (verdict.sound, verdict.lines) == (True, 4)


async def test_the_command_line_writes_into_the_same_chain(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    await asyncio.to_thread(migrate.upgrade, settings.sqlalchemy_url)
    for email, role in (("root@school.org", "admin"), ("tim@school.org", "tutor")):
        await create_admin(settings, email, PASSWORD, role)
    engine, _ = database(settings.sqlalchemy_url)
    lines = [kept async for kept in SqlActionRecords(reading(engine)).lines()]
    verdict = await VerifyLog(SqlActionRecords(reading(engine)))()
    await engine.dispose()
    assert verdict.sound
    assert [(kept.line.operator_email, kept.line.action, kept.line.details) for kept in lines] == [
        ("system", "create", {"role": "admin"}),
        ("system", "create", {"role": "tutor"}),
    ]


async def test_it_tells_what_has_expired(url: str, tmp_path: Path) -> None:
    await asyncio.to_thread(migrate.upgrade, url)
    async with sql_store(url) as store:
        for n in range(1, 4):
            async with store.work() as w:
                await w.log.record(System(), "login", Target(UserId(n), "x@school.org"), START)
                await w.commit()
        async with store.work() as w:
            assert await w.log.expire(START + timedelta(days=1), 9) == 2
            await w.commit()

    code, told, complained = await verified(setting(url), tmp_path, "--head", "a" * 64)
    assert code == 1
    assert told.splitlines()[1] == "The lines up to number 2 (2025-11-18 10:30:45 UTC) have expired."
    assert complained.strip().endswith("the log was written anew, or it has expired.")
