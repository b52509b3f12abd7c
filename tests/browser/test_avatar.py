"""The avatar at the page: seen, heard and read while it speaks the answer."""

import asyncio
import os
import re
import signal
import statistics
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.student import CUT_SHORT, Student, a_student
from tests.browser.talking_box import TalkingBox
from tests.conftest import Valkey
from tests.integration.served import Served, children_of, served
from tests.servers.avatar_manager import AvatarManagerServer
from tests.servers.live_server import LiveServerServer
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
WATCHING = (Path(__file__).parent / "watching.js").read_text("utf-8")
REMEMBER_LINES = """
window.lines = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...given) { super(...given); window.lines.push(this); }
};
"""
STATS = """async () => {
    const all = [...(await window.lines.at(-1).getStats()).values()];
    return all.filter(({ type }) => type === "inbound-rtp");
}"""
PATIENCE_S = 60.0
LOUD = 0.01  # of 1, root mean square; a voice has about 0.1, the idle line 0
FPS_LEAST = 20
FIRST_SOUND_MOST_S = 1.5
SKEW_MOST_S = 0.12
SENTENCES = [
    "A plant makes sugar from light, water and air.",
    "This happens in the green parts of its leaves.",
    "The oxygen that is left over is what we breathe.",
]
ANSWER = f"**A plant** {SENTENCES[0][8:]} {SENTENCES[1]}\n\n{SENTENCES[2]}"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a moment looked and sounded like; `mouth` is how much it has changed since the moment before."""

    at: float  # seconds
    loud: float
    mouth: float
    caption: str
    text: str


@dataclass(frozen=True, slots=True)
class Viewer:
    student: Student

    async def samples(self, since: float = 0.0) -> list[Sample]:
        taken: list[dict[str, Any]] = await self.student.page.evaluate("window.samples")
        return [Sample(**{**one, "at": one["at"] / 1000}) for one in taken if one["at"] / 1000 >= since]

    async def now(self) -> float:
        return float(await self.student.page.evaluate("performance.now()")) / 1000

    async def until(self, holds: Callable[[list[Sample]], bool], since: float) -> list[Sample]:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            samples = await self.samples(since)
            if holds(samples):
                return samples
            assert asyncio.get_running_loop().time() < deadline, samples[-10:]
            await asyncio.sleep(0.1)

    async def watch(self, seconds: float) -> list[Sample]:
        since = await self.now()
        await asyncio.sleep(seconds)
        return await self.samples(since)

    async def stats(self, kind: str) -> dict[str, Any]:
        every: list[dict[str, Any]] = await self.student.page.evaluate(STATS)
        return next(one for one in every if one["kind"] == kind)

    async def frames_per_second(self, seconds: float) -> float:
        before = await self.stats("video")
        await asyncio.sleep(seconds)
        after = await self.stats("video")
        frames = float(after["framesDecoded"] - before["framesDecoded"])
        return frames / (float(after["timestamp"] - before["timestamp"]) / 1000)

    async def skew(self) -> float | None:
        """By how many seconds the picture is ahead of the sound."""
        picture = (await self.stats("video")).get("estimatedPlayoutTimestamp")
        sound = (await self.stats("audio")).get("estimatedPlayoutTimestamp")
        return float(picture - sound) / 1000 if picture and sound else None


def sounding(samples: list[Sample]) -> list[Sample]:
    return [one for one in samples if one.loud > LOUD]


def said(samples: list[Sample]) -> list[str]:
    """The captions in the order in which they were shown."""
    shown: list[str] = []
    for one in samples:
        if one.caption and one.caption not in shown[-1:]:
            shown.append(one.caption)
    return shown


def it_was_heard(samples: list[Sample]) -> bool:
    return bool(sounding(samples))


def it_is_over(samples: list[Sample]) -> bool:
    """Heard, and then neither heard nor read for a second."""
    last = samples[-25:]
    return it_was_heard(samples) and not sounding(last) and not any(one.caption for one in last)


@pytest.fixture
async def llm() -> AsyncIterator[LlmServiceServer]:
    async with LlmServiceServer() as server:
        yield server


@pytest.fixture
async def one(tmp_path: Path, llm: LlmServiceServer) -> AsyncIterator[Served]:
    """An installation with its own avatars, and a fast model."""
    async with served(tmp_path, LLM_URL=llm.url) as one:
        yield one


@pytest.fixture
async def viewer(browser: Browser, one: Served) -> AsyncIterator[Viewer]:
    """Somebody who has started the first avatar."""
    async with a_student(browser, one.house.url, init_script=REMEMBER_LINES) as ann:
        await ann.register("ann@example.org")
        yield await meet(ann)


async def meet(student: Student) -> Viewer:
    await student.button("Start avatar").click()
    await expect(student.page.get_by_text("The avatar is here.")).to_be_visible(timeout=PATIENCE_S * 1000)
    await expect(student.page.locator("#face")).not_to_have_js_property("videoWidth", 0)
    await student.page.evaluate(WATCHING)
    return Viewer(student)


async def test_it_speaks_the_answer_with_moving_lips_and_captions(
    viewer: Viewer, llm: LlmServiceServer
) -> None:
    ann = viewer.student
    await asyncio.sleep(2)  # the first seconds of a line are its own
    silent = await viewer.watch(3)
    assert not sounding(silent)
    assert await viewer.frames_per_second(3) >= FPS_LEAST

    llm.script = Script(pieces=[f"{word} " for word in ANSWER.split(" ")], gap=0.01)
    asked = await viewer.now()
    await ann.ask("How do plants eat?")
    await viewer.until(it_was_heard, asked)
    assert await viewer.frames_per_second(2) >= FPS_LEAST
    skews = [await viewer.skew() for _ in range(5)]
    samples = await viewer.until(it_is_over, asked)

    first_word = next(one.at for one in samples if one.text)
    spoken = sounding(samples)
    assert spoken[0].at - first_word < FIRST_SOUND_MOST_S
    assert statistics.median(abs(skew) for skew in skews if skew is not None) < SKEW_MOST_S
    assert said(samples) == SENTENCES
    moves = statistics.mean(one.mouth for one in samples if spoken[0].at <= one.at <= spoken[-1].at)
    rests = statistics.mean(one.mouth for one in silent)
    assert moves > 3 * rests + 0.5, (moves, rests)
    for sentence in SENTENCES:
        heard = [one.loud > LOUD for one in samples if one.caption == sentence and one.at <= spoken[-1].at]
        assert sum(heard) > len(heard) / 2, sentence
    ann.assert_undisturbed()


async def test_stop_silences_it(viewer: Viewer, llm: LlmServiceServer) -> None:
    ann = viewer.student
    llm.script = Script(pieces=[f"Sentence number {n} goes on and on. " for n in range(30)], gap=0.2)
    asked = await viewer.now()
    await ann.ask("Tell me everything.")
    await viewer.until(it_was_heard, asked)
    await ann.button("Stop").click()
    await ann.until(CUT_SHORT)
    await asyncio.sleep(1)

    after = await viewer.watch(3)
    assert not sounding(after)
    assert said(after) == []


async def test_a_new_question_interrupts_it(viewer: Viewer, llm: LlmServiceServer) -> None:
    ann = viewer.student
    llm.script = Script(pieces=[f"Sentence number {n} goes on and on. " for n in range(12)])
    asked = await viewer.now()
    await (await ann.ask("Tell me everything.")).until()
    await viewer.until(it_was_heard, asked)
    llm.script = Script(pieces=[SENTENCES[0]])
    again = await viewer.now()
    await ann.ask("Only the first sentence.")

    samples = await viewer.until(it_is_over, again)
    assert said(samples)[-1] == SENTENCES[0]
    assert len(said(samples)) <= 2  # what was being said, and the new answer
    assert sounding(samples)[-1].at - again < 12


async def test_it_goes_and_comes_back(viewer: Viewer, one: Served) -> None:
    ann = viewer.student
    async with ann.page.expect_response("**/api/avatar/disconnect"):
        await ann.button("Stop avatar").click()
    await expect(ann.button("Start avatar")).to_be_focused()
    await expect(ann.page.locator("#face")).to_be_hidden()
    assert (await ann.asked("POST", "/api/avatar/disconnect"))["msg"] == "No active avatar connection"

    await ann.page.get_by_role("radio", name="bruno").check()
    again = await meet(ann)
    assert await again.frames_per_second(3) >= FPS_LEAST
    ann.assert_undisturbed()


async def test_while_it_is_muted_a_screen_reader_reads_the_answers(viewer: Viewer) -> None:
    ann = viewer.student
    messages = ann.page.locator("#messages")
    await expect(ann.page.locator("#caption")).to_have_attribute("aria-live", "off")
    await expect(messages).to_have_attribute("aria-live", "off")
    await ann.button("Mute").click()
    await expect(ann.button("Mute")).to_have_attribute("aria-pressed", "true")
    await expect(messages).to_have_attribute("aria-live", "polite")
    await ann.button("Mute").click()
    await expect(messages).to_have_attribute("aria-live", "off")


async def without_a_way(route: Route) -> None:
    """An answer whose every address refuses us."""
    answer = await route.fetch()
    told = await answer.json()
    told["sdp"] = re.sub(r"a=ice-pwd:\S+", f"a=ice-pwd:{'x' * 24}", told["sdp"])
    await route.fulfill(response=answer, json=told)


async def test_one_that_cannot_be_reached_is_given_up_in_words(browser: Browser, one: Served) -> None:
    async with a_student(browser, one.house.url) as ann:
        await ann.register("ann@example.org")
        await ann.page.route("**/api/webrtc/offer", without_a_way)
        async with ann.page.expect_response("**/api/avatar/disconnect", timeout=PATIENCE_S * 1000):
            await ann.button("Start avatar").click()

        await expect(ann.page.get_by_text("The avatar could not be shown.")).to_be_visible()
        await expect(ann.page.get_by_text("The avatar is here.")).to_be_hidden()
        await expect(ann.button("Start avatar")).to_be_enabled()

        async with ann.page.expect_response("**/api/webrtc/offer", timeout=PATIENCE_S * 1000):
            await ann.button("Start avatar").click()
        await ann.button("Log out").click()
        await (await ann.log_in("ann@example.org")).page.unroute("**/api/webrtc/offer")
        await expect(ann.page.locator("#stage")).to_be_hidden()
        await meet(ann)


async def test_a_reload_lets_it_be_started_again(viewer: Viewer) -> None:
    await viewer.student.page.reload()
    again = await meet(viewer.student)
    assert await again.frames_per_second(3) >= FPS_LEAST


def instances_of(one: Served) -> set[int]:
    """The processes that draw and speak."""
    return {
        pid
        for pid in children_of(one.pid)
        if "avatar_instance" in Path(f"/proc/{pid}/cmdline").read_text().replace("-", "_")
    }


async def test_one_that_dies_while_it_speaks_is_called_back(
    viewer: Viewer, one: Served, llm: LlmServiceServer
) -> None:
    ann = viewer.student
    llm.script = Script(pieces=[f"Sentence number {n} goes on and on. " for n in range(40)], gap=0.4)
    asked = await viewer.now()
    await ann.ask("Tell me everything.")
    await viewer.until(it_was_heard, asked)
    instances = instances_of(one)
    assert instances
    for pid in instances:
        os.kill(pid, signal.SIGKILL)

    await expect(ann.page.get_by_text("The avatar is back.")).to_be_visible()
    await expect(ann.page.locator("#face")).not_to_have_js_property("videoWidth", 0)
    await ann.page.evaluate(WATCHING)
    since = await viewer.now()
    await viewer.until(it_was_heard, since)
    await ann.until()
    assert "Sentence number 39" in (await ann.answers.last.text_content() or "")


async def test_the_same_with_four_workers_and_services_elsewhere(
    browser: Browser, tmp_path: Path, llm: LlmServiceServer, own_valkey: Valkey, postgresql_database: str
) -> None:
    boxes: list[TalkingBox] = []

    def a_box() -> TalkingBox:
        boxes.append(TalkingBox())
        return boxes[-1]

    async with AvatarManagerServer(instance=a_box) as manager, LiveServerServer() as live:
        elsewhere = {
            "AVATAR_MANAGER_URL": manager.url,
            "LIVE_SERVER_URL": live.url,
            "AVATAR_HOST": "127.0.0.1",
            "REDIS_URL": own_valkey.url,
            "DATABASE_URL": postgresql_database,
        }
        async with (
            served(tmp_path, WORKERS="4", LLM_URL=llm.url, **elsewhere) as one,
            a_student(browser, one.house.url, init_script=REMEMBER_LINES) as bob,
        ):
            await bob.register("bob@example.org")
            await bob.page.get_by_label("Upload document").set_input_files(SAMPLES / "ocean-science.pdf")
            await expect(bob.page.get_by_text("Ready: ask about it.")).to_be_visible()
            viewer = await meet(bob)
            assert await viewer.frames_per_second(3) >= FPS_LEAST

            asked = await viewer.now()
            answer = await (await bob.ask("How deep is the Challenger Deep?")).until()
            assert "10,935" in answer
            samples = await viewer.until(it_is_over, asked)
            assert "".join(said(samples)).replace(" ", "") == answer.replace(" [1]", "").replace(" ", "")
            assert boxes[0].said

            await bob.button("Stop avatar").click()
            await expect(bob.button("Start avatar")).to_be_focused()
            await manager.until(lambda: not manager.processes, 10)
            bob.assert_undisturbed()
