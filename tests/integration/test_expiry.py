"""Expiry in a running installation: planned by itself, done as a job (PR-4)."""

from pathlib import Path

import pytest

from tests.conftest import Valkey
from tests.integration.house import a_house
from tests.integration.waiting import until
from tests.servers.llm_service import LlmServiceServer

LONG_AGO = "2025-11-18 10:30:45.000000"
DAILY = "kind IN ('forget_jobs', 'expire_log', 'expire_sessions')"
DUE = f"UPDATE job SET run_at = '{LONG_AGO}' WHERE {DAILY} AND state = 'waiting'"


@pytest.mark.usefixtures("redis")  # emptied
async def test_what_is_too_old_goes_and_the_rest_stays(
    tmp_path: Path, valkey: Valkey, llm: LlmServiceServer
) -> None:
    keep = {"SESSION_KEEP_DAYS": "30", "AUDIT_KEEP_DAYS": "30"}
    async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, **keep) as house:
        ann = await house.user()
        old, young = [(await ann.ask("x")).session for _ in range(2)]
        await house.sql(f"UPDATE session SET updated_at = '{LONG_AGO}' WHERE id = {old}")
        log = await house.sql("SELECT id FROM user_action_log")

        async def planned() -> bool:
            return len(await house.sql(f"SELECT id FROM job WHERE {DAILY}")) == 3

        async def done() -> bool:
            return len(await house.sql(f"SELECT id FROM job WHERE {DAILY} AND state = 'done'")) == 3

        await until(planned)
        await house.sql(DUE)
        await until(done, 20)
        assert await house.sql("SELECT id FROM session") == [(young,)]
        assert await house.sql("SELECT id FROM user_action_log") == log
