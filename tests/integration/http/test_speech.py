"""Answers that an avatar speaks, over HTTP, two workers, a real manager protocol and its instances."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from dishka import Provider, Scope, decorate
from typing_extensions import override

from application.speech.voices import Voices
from tests.conftest import Valkey
from tests.integration.house import User
from tests.integration.http.following import Workers, asking, at, two_workers
from tests.integration.waiting import until
from tests.servers.avatar_instance import AvatarInstanceServer
from tests.servers.avatar_manager import AvatarManagerServer
from tests.servers.http import Exchange, Fault
from tests.servers.live_server import LiveServerServer
from tests.servers.llm_service import LlmServiceServer

STUDENTS, SENTENCES = 20, 500
NUMBER = re.compile(r"Student (\d+) hears sentence (\d+)\.")
OFFER = {"sdp": "v=0 offer", "type": "offer"}


class Lecturer(LlmServiceServer):
    """Says to "7 times 20" twenty sentences for student 7, one each `gap_s`."""

    gap_s = 0.0

    @override
    async def play(self, text: str, exchange: Exchange) -> None:
        student, times = (int(number) for number in re.findall(r"(\d+) times (\d+)", text)[-1])
        await exchange.start("text/event-stream", {})
        for n in range(times):
            piece = self.piece(f"Student {student} hears sentence {n}. ")
            await exchange.send(b"data: " + json.dumps(piece).encode() + b"\n\n", 0)
            await asyncio.sleep(self.gap_s)
        for event in self.closing():
            await exchange.send(b"data: " + json.dumps(event).encode() + b"\n\n", 0)
        await exchange.end()


class Hasty(Provider):
    """Avatars are given everything at once: nobody has to listen to all of it."""

    scope = Scope.APP

    @decorate
    def voices(self, voices: Voices) -> Voices:
        voices.speaker = replace(voices.speaker, ahead_s=100_000.0)
        return voices


@dataclass
class Stage:
    workers: Workers
    llm: Lecturer
    instances: list[AvatarInstanceServer] = field(default_factory=list)

    def said_to(self, rtc: int) -> list[tuple[int, int]]:
        """Whose sentence it was, and which."""
        said = [one.text for instance in self.instances for one in instance.said if one.session == rtc]
        return [(int(student), int(n)) for student, n in NUMBER.findall(" ".join(said))]

    def interrupted(self, rtc: int) -> int:
        return sum(instance.interrupted.count(rtc) for instance in self.instances)

    async def interrupts(self, rtc: int) -> None:
        async def told() -> bool:
            return self.interrupted(rtc) > 0

        await until(told, 20)


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> AsyncIterator[Stage]:
    instances: list[AvatarInstanceServer] = []

    def launched() -> AvatarInstanceServer:
        made = AvatarInstanceServer(max_sessions=1000, first_session=100_001 + 1000 * len(instances))
        instances.append(made)
        return made

    folder: Path = tmp_path_factory.mktemp("speech")
    async with (
        AvatarManagerServer(instance=launched) as manager,
        LiveServerServer() as live,
        Lecturer() as llm,
    ):
        live.avatars = {name: {} for name in manager.names}
        upstreams = {"AVATAR_MANAGER_URL": manager.url, "LIVE_SERVER_URL": live.url, "LLM_URL": llm.url}
        async with two_workers(
            folder, f"{valkey.url}?db=6", Hasty(), AVATAR_HOST="127.0.0.1", **upstreams
        ) as both:
            yield Stage(both, llm, instances)


async def watching(stage: Stage, user: User, name: str = "mira") -> int:
    """His rtc session."""
    started = await user.post("/api/avatar/start", data={"avatar_name": name})
    assert started.status_code == 200, started.text
    answer = await user.post("/api/webrtc/offer", json=OFFER)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["sessionid"])


async def heard(stage: Stage, rtc: int, sentences: int, seconds: float = 60) -> None:
    async def all_of_them() -> bool:
        return len(stage.said_to(rtc)) >= sentences

    await until(all_of_them, seconds)


async def test_ten_thousand_sentences_reach_whom_they_are_for(stage: Stage) -> None:
    one, other = stage.workers
    users = [await one.user(f"s{n}@example.org") for n in range(STUDENTS)]
    rtcs = [await watching(stage, user) for user in users]
    assert len(set(rtcs)) == STUDENTS

    async def ask(number: int) -> None:
        user = at((one, other)[number % 2], users[number])
        async with asking(user, f"{number} times {SENTENCES}") as stream:
            await stream.to_the_end()

    await asyncio.gather(*map(ask, range(STUDENTS)))
    for rtc in rtcs:
        await heard(stage, rtc, SENTENCES, 240)
    for number, rtc in enumerate(rtcs):
        assert stage.said_to(rtc) == [(number, n) for n in range(SENTENCES)]


async def test_nothing_is_said_after_a_stop_at_another_worker(stage: Stage) -> None:
    one, other = stage.workers
    user = await one.user("stop@example.org")
    rtc = await watching(stage, user)
    stage.llm.gap_s = 0.05
    try:
        async with asking(user, "77 times 200") as stream:
            await stream.until(10)
            await heard(stage, rtc, 5)
            stopped = await at(other, user).post(f"/api/chat/{stream.told.session}/stop")
            assert stopped.status_code == 200
            await stage.interrupts(rtc)
            said = stage.said_to(rtc)
            await stream.to_the_end()
    finally:
        stage.llm.gap_s = 0.0
    await asyncio.sleep(0.5)
    if late := stage.said_to(rtc)[len(said) :]:  # one that was on its way is interrupted as well
        assert len(late) == 1
        assert stage.interrupted(rtc) > 1


async def test_the_next_question_interrupts_and_tells_what_was_heard(stage: Stage) -> None:
    one, other = stage.workers
    user = await one.user("next@example.org")
    rtc = await watching(stage, user)
    (instance,) = (one for one in stage.instances if rtc in one.sessions)
    instance.talking.add(rtc)
    began = time.monotonic()
    async with asking(user, "5 times 100") as stream:
        told = await stream.to_the_end()
    await heard(stage, rtc, 100)
    await asyncio.sleep(2.5)  # one takes about two seconds to say
    async with asking(at(other, user), "6 times 2", session_id=told.session) as stream:
        await stream.to_the_end()
    seconds = round(time.monotonic() - began)
    await heard(stage, rtc, 102)
    assert stage.interrupted(rtc)
    assert stage.said_to(rtc)[-2:] == [(6, 0), (6, 1)]
    (asked,) = (told for told in stage.llm.memories.values() if any("5 times 100" in text for text in told))
    assert "I stopped you while you were speaking." in asked[-1]
    assert "hears sentence 0." in asked[-1]
    assert f"hears sentence {seconds}." not in asked[-1]


async def test_who_watches_nobody_has_nothing_said(stage: Stage) -> None:
    one, _ = stage.workers
    user = await one.user("nobody@example.org")
    said = sum(len(instance.said) for instance in stage.instances)
    async with asking(user, "1 times 5") as stream:
        await stream.to_the_end()
    await asyncio.sleep(0.2)
    assert sum(len(instance.said) for instance in stage.instances) == said


async def test_an_avatar_that_hangs_costs_no_text_and_comes_back(stage: Stage) -> None:
    one, _ = stage.workers
    user = await one.user("hang@example.org")
    rtc = await watching(stage, user, "otto")
    (instance,) = (one for one in stage.instances if rtc in one.sessions)
    stage.llm.gap_s = 0.1
    try:
        async with asking(user, "9 times 150") as stream:
            await stream.until(5)
            instance.faults["/human"] = Fault(hang=True)
            while {"status": "avatar", "state": "lost"} not in stream.told.events:
                await stream.until(len(stream.told.events) + 1)
            instance.faults.clear()
            other = await watching(stage, user, "otto")
            told = await stream.to_the_end()
    finally:
        stage.llm.gap_s = 0.0
        instance.faults.clear()
    assert told.text == "".join(f"Student 9 hears sentence {n}. " for n in range(150))
    assert [event["state"] for event in told.events if event["status"] == "avatar"] == ["lost", "recovered"]
    before = len(stage.said_to(rtc))
    await heard(stage, other, 150 - before)
    assert stage.said_to(rtc) + stage.said_to(other) == [(9, n) for n in range(150)]
