"""POST /chat/{session_id}/stop, from any worker."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.house import User
from tests.integration.http.answers import refusal
from tests.integration.http.following import Workers, asking, at
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script


@pytest.fixture(autouse=True)
def endless(llm: LlmServiceServer) -> Iterator[None]:
    llm.script = Script(pieces=["word "] * 2000, gap=0.02)
    yield
    llm.script = Script()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["its own worker", "another worker"])
class TestRunning:
    async def test_keeps_what_was_said_and_closes_the_model(
        self, cleo: User, workers: Workers, llm: LlmServiceServer, elsewhere: bool
    ) -> None:
        abandoned = len(llm.abandoned)
        async with asking(cleo, "How?") as stream:
            await stream.until(4)
            answer = await at(workers[elsewhere], cleo).post(f"/api/chat/{stream.told.session}/stop")
            told = await stream.to_the_end()
        stopped: dict[str, Any] = answer.json()
        assert 0 <= stopped.pop("upstream_closed_ms") <= 200
        assert stopped == {
            **{"msg": "Stopped", "session_id": told.session},
            **{"message_id": told.message, "stopped": True},
        }
        await llm.until(lambda: len(llm.abandoned) == abandoned + 1, within=0.2)
        assert told.kinds == ["streaming", "finished", "complete"]
        assert (told.last["text"], told.last["interrupted"]) == (told.text, True)
        kept = (await cleo.messages(told.session))[-1]
        assert (kept["content"], kept["interrupted"]) == (told.text, True)

    async def test_what_nobody_reads_is_stopped_too(
        self, cleo: User, workers: Workers, elsewhere: bool
    ) -> None:
        async with asking(cleo, "How?") as stream:
            told = (await stream.until(2)).told
        answer = await at(workers[elsewhere], cleo).post(f"/api/chat/{told.session}/stop")
        assert answer.json()["stopped"] is True
        assert (await cleo.messages(told.session))[-1]["interrupted"] is True

    async def test_twenty_at_once_stop_it_once(self, cleo: User, workers: Workers, elsewhere: bool) -> None:
        async with asking(cleo, "How?") as stream:
            told = (await stream.until(2)).told
        user = at(workers[elsewhere], cleo)
        answers = await asyncio.gather(*(user.post(f"/api/chat/{told.session}/stop") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert any(answer.json()["stopped"] for answer in answers)
        assert len(await cleo.messages(told.session)) == 2

    async def test_the_session_can_be_used_at_once(
        self, cleo: User, workers: Workers, elsewhere: bool, llm: LlmServiceServer
    ) -> None:
        async with asking(cleo, "How?") as stream:
            told = (await stream.until(2)).told
        user = at(workers[elsewhere], cleo)
        await user.post(f"/api/chat/{told.session}/stop")
        llm.script = Script(pieces=["Yes."])
        assert (await user.ask("Really?", told.session)).text == "Yes."


async def test_where_nothing_runs_nothing_is_stopped(cleo: User, llm: LlmServiceServer) -> None:
    session = await cleo.new_session()
    answer = await cleo.post(f"/api/chat/{session}/stop")
    assert answer.json() == {
        **{"msg": "Stopped", "session_id": session, "message_id": None},
        **{"stopped": False, "upstream_closed_ms": None},
    }


async def test_of_somebody_elses_session_is_refused(cleo: User, workers: Workers) -> None:
    other = await workers[0].user("olga@example.org")
    async with asking(cleo, "How?") as stream:
        await stream.until(2)
        for session in (stream.told.session, 10**6, 0, "x"):
            answer = await other.post(f"/api/chat/{session}/stop")
            assert refusal(answer) == (404, "Session not found", "not_found")
        await stream.until(10)
        await cleo.post(f"/api/chat/{stream.told.session}/stop")
