"""A question is never lost, and of an answer at most the last tick, whatever dies (design 3.7)."""

import asyncio
import json
import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from application.chat.engine import TICK_S
from tests.integration.house import User
from tests.integration.served import NO_AVATARS, Served, served
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script

GAP_S = 0.05
WORDS = [f"word{n} " for n in range(400)]
LOST_AT_MOST = int((TICK_S + 0.5) / GAP_S)  # a tick, and what a busy machine adds to it
SETTLED_S = 20.0


async def listen(user: User, question: str, chunks: int) -> tuple[int, str]:
    """Ask and read that many chunks, then look away; the session and what was heard."""
    heard: list[str] = []
    async with user.house.client.stream(
        "POST", "/api/chat/stream", headers=user.headers, data={"message": question}
    ) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                event = json.loads(line[6:])
                if event["status"] == "streaming":
                    heard.append(event["chunk"])
            if len(heard) >= chunks:
                return int(answer.headers["x-session-id"]), "".join(heard)
    raise AssertionError("the answer ended early")


async def settled(user: User, session: int) -> list[dict[str, Any]]:
    """The session's messages once the answer has been settled."""
    messages: list[dict[str, Any]] = []
    for _ in range(int(SETTLED_S / 0.2)):
        with suppress(httpx.TransportError):  # a connection may have been the dead worker's
            messages = await user.messages(session)
        if len(messages) == 2:
            return messages
        await asyncio.sleep(0.2)
    raise AssertionError(f"not settled: {messages}")


def assert_kept(messages: list[dict[str, Any]], question: str, heard: str) -> None:
    asked, answered = messages
    assert asked["content"] == question
    assert answered["interrupted"] is True
    assert "".join(WORDS).startswith(answered["content"])
    assert len(answered["content"].split()) >= len(heard.split()) - LOST_AT_MOST


@pytest.fixture
async def slow_llm() -> Any:
    async with LlmServiceServer(Script(pieces=WORDS, gap=GAP_S)) as server:
        yield server


async def test_a_power_cut_in_mid_answer_loses_no_question(
    tmp_path: Path, slow_llm: LlmServiceServer
) -> None:
    async with served(tmp_path, LLM_URL=slow_llm.url, **NO_AVATARS) as one:
        ann = await one.house.user()
        session, heard = await listen(ann, "Tell me everything.", chunks=40)
        one.kill_everything()

    async with served(tmp_path, LLM_URL=slow_llm.url, **NO_AVATARS) as one:
        again = replace(ann, house=one.house)  # the login has survived too
        assert_kept(await settled(again, session), "Tell me everything.", heard)


async def test_kill_of_the_parent_alone_saves_what_was_said(
    tmp_path: Path, slow_llm: LlmServiceServer
) -> None:
    async with served(tmp_path, LLM_URL=slow_llm.url, **NO_AVATARS) as one:
        ann = await one.house.user()
        session, heard = await listen(ann, "Tell me everything.", chunks=40)
        os.kill(one.pid, signal.SIGKILL)
        one.process.wait()

    async with served(tmp_path, LLM_URL=slow_llm.url, **NO_AVATARS) as one:
        assert_kept(await settled(replace(ann, house=one.house), session), "Tell me everything.", heard)


async def test_one_of_two_workers_dies_and_the_other_settles_its_reply(
    tmp_path: Path, slow_llm: LlmServiceServer
) -> None:
    async with served(tmp_path, LLM_URL=slow_llm.url, WORKERS="2", **NO_AVATARS) as one:
        ann = await one.house.user()
        session, heard = await listen(ann, "Tell me everything.", chunks=40)

        os.kill(worker_of(one, session), signal.SIGKILL)

        assert_kept(await settled(ann, session), "Tell me everything.", heard)
        told = await ann.ask("[[gap=0]] And now?", session)  # the session is free again
        assert told.kinds[-1] == "complete"


def worker_of(one: Served, session: int) -> int:
    """The process that generates the session's reply."""
    runtime = json.loads((Path(one.house.settings.data_dir) / "run" / "runtime.json").read_text())
    with Redis.from_url(runtime["redis_url"]) as redis:
        run = json.loads(redis.get(f"chat:run:{session}"))
    return int(run["worker"].rsplit("-", 2)[1])
