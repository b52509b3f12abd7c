"""What a viewer sees and hears of a real instance, over real HTTP and WebRTC."""

import asyncio
import time
from itertools import pairwise

from tests.integration.talking_head.running import Running
from tests.integration.talking_head.sounds import tones
from tests.integration.talking_head.watching import LOUD, Watcher

SENTENCE = "Plants use chlorophyll to absorb the light of the sun, and they release oxygen."
LONG = " ".join([SENTENCE] * 6)
WINDOW = 4.0


async def test_pictures_arrive_and_the_mouth_rests_while_nothing_is_said(instance: Running) -> None:
    async with Watcher(instance.http) as watcher:
        await asyncio.sleep(WINDOW + 0.5)

        seen, heard = watcher.since(watcher.seen, WINDOW), watcher.since(watcher.heard, WINDOW)
        assert watcher.size == (512, 512)
        assert len(seen) / WINDOW >= 20
        assert len(heard) / WINDOW >= 40  # of 50
        assert not any(one.is_open for one in seen)
        assert all(one.loudness < LOUD for one in heard)
        assert not await watcher.is_speaking()


async def test_it_speaks_with_a_moving_mouth_and_then_rests(instance: Running) -> None:
    async with Watcher(instance.http) as watcher:
        await watcher.say(SENTENCE)
        assert await watcher.is_speaking()
        begin = await watcher.until_loud()
        await watcher.until_silent()
        end = max(one.at for one in watcher.heard if one.loudness > LOUD)
        assert 3 < end - begin.at < 12  # fifteen words
        during = [one for one in watcher.seen if begin.at < one.at < end]
        opened = sum(one.is_open for one in during)
        assert 0.2 * len(during) < opened < 0.95 * len(during)
        turns = sum(a.is_open != b.is_open for a, b in pairwise(during))
        assert turns >= 6
        assert len(during) / (end - begin.at) >= 20
        await watcher.until(lambda: not any(one.is_open for one in watcher.since(watcher.seen, 0.5)))
        assert not await watcher.is_speaking()


async def test_texts_are_spoken_one_after_the_other(instance: Running) -> None:
    async with Watcher(instance.http) as watcher:
        for _ in range(3):
            await watcher.say("One, two, three, four.")
        begin = await watcher.until_loud()
        await watcher.until_silent()
        end = max(one.at for one in watcher.heard if one.loudness > LOUD)
        assert 3 < end - begin.at < 15


async def test_an_interruption_silences_it_at_once_and_drops_what_waits(instance: Running) -> None:
    async with Watcher(instance.http) as watcher:
        await watcher.say(LONG)
        await watcher.say(LONG)
        await watcher.until_loud()
        await asyncio.sleep(1)

        await watcher.interrupt()
        interrupted = time.monotonic()
        assert not await watcher.is_speaking()
        await watcher.until_silent()
        # What was on its way; aiortc's own viewers keep 80 ms and more of sound before they play it.
        last = max(one.at for one in watcher.heard if one.loudness > LOUD)
        assert last - interrupted < 1.0
        await asyncio.sleep(1.5)
        assert all(one.loudness < LOUD for one in watcher.since(watcher.heard, 1.4))
        assert not any(one.is_open for one in watcher.since(watcher.seen, 1.4))

        after = time.monotonic()
        await watcher.say("And now something else.")
        await watcher.until_loud(after)


async def test_a_text_may_interrupt_the_one_before(instance: Running) -> None:
    async with Watcher(instance.http) as watcher:
        await watcher.say(LONG)
        await watcher.until_loud()
        await watcher.say("Stop.", interrupt=True)
        spoken = time.monotonic()
        await watcher.until_silent()
        assert time.monotonic() - spoken < 10  # and not the half minute of the long text


async def test_two_viewers_do_not_hear_each_other(instance: Running) -> None:
    async with Watcher(instance.http) as one, Watcher(instance.http) as other:
        assert one.number != other.number
        await one.say(LONG)
        await one.until_loud()
        await asyncio.sleep(2)
        assert await one.is_speaking()
        assert not await other.is_speaking()
        assert all(heard.loudness < LOUD for heard in other.heard)
        assert not any(seen.is_open for seen in other.seen)

        await other.say(SENTENCE)
        await other.until_loud()
        await one.interrupt()
        await one.until_silent()
        assert await other.is_speaking()  # nobody silences somebody else's avatar


async def test_what_cannot_be_said_harms_nothing(instance: Running) -> None:
    async with Watcher(instance.http) as watcher:
        for text in ("你好，世界！", "🙂🙂🙂", "   ", "", "...", "\x00", "\ud83d"):
            await watcher.say(text)
        await watcher.say("Привет, 世界 and hello.")
        await watcher.until_loud()


async def test_sound_and_mouth_are_together(instance: Running) -> None:
    beeps = 6
    async with Watcher(instance.http) as watcher:
        begun = time.monotonic()
        answer = await instance.http.post(
            "/humanaudio",
            data={"sessionid": str(watcher.number)},
            files={"file": ("beeps.wav", tones(*[(0.7, 0.3)] * beeps))},
        )
        assert answer.json() == {"code": 0, "msg": "ok"}
        await watcher.until_loud()
        await asyncio.sleep(beeps + 0.5)
        heard = _begins([(one.at, one.loudness > LOUD) for one in watcher.heard if one.at > begun])
        seen = _begins([(one.at, one.is_open) for one in watcher.seen if one.at > begun])
        assert len(heard) == len(seen) == beeps
        # aiortc's viewers hold sound back by four frames, 80 ms; browsers line both up themselves.
        skews = sorted(abs(sound - 0.08 - picture) for sound, picture in zip(heard, seen, strict=True))
        assert skews[beeps // 2] < 0.12


def _begins(states: list[tuple[float, bool]]) -> list[float]:
    """When it became true."""
    return [now for (_, before), (now, after) in pairwise(states) if after and not before]
