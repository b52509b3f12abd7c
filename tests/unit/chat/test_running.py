import asyncio

import pytest

from application.chat.reply import Reply
from application.chat.running import Reader, RunningReply
from application.ports.replies import Run
from domain.conversation import MessageId, SessionId
from domain.user import UserId


@pytest.fixture
def running() -> RunningReply:
    return RunningReply(Reply(SessionId(1), MessageId(2)), Run(SessionId(1), "ours", 1), UserId(3))


def say(running: RunningReply, piece: str) -> None:
    running.reply.say(piece)
    running.changed()


def complete(running: RunningReply) -> None:
    running.reply.complete()
    running.changed()


async def read_all(running: RunningReply, seen: int = 0) -> list[bytes]:
    read: list[bytes] = []
    with Reader(running, seen) as reader:
        while not reader.finished:
            first, fresh = await reader.next(5)
            assert not fresh or first == seen + len(read) + 1
            read += fresh
    return read


class TestReader:
    async def test_reads_what_was_said_and_what_will_be(self, running: RunningReply) -> None:
        say(running, "Be")
        reading = asyncio.create_task(read_all(running))
        await asyncio.sleep(0)
        say(running, "fore")
        say(running, "hand")
        await asyncio.sleep(0)
        complete(running)
        assert await reading == running.reply.log

    async def test_many_read_the_same_each_at_its_own_place(self, running: RunningReply) -> None:
        readers = [asyncio.create_task(read_all(running))]
        for n in range(20):
            say(running, f"{n} ")
            await asyncio.sleep(0)
            if n % 5 == 0:
                readers.append(asyncio.create_task(read_all(running, n)))
        complete(running)
        log = running.reply.log
        late = asyncio.create_task(read_all(running))
        read = await asyncio.gather(*readers, late)
        assert read == [log, log[0:], log[5:], log[10:], log[15:], log]

    async def test_who_leaves_changes_nothing_for_the_others(self, running: RunningReply) -> None:
        staying = asyncio.create_task(read_all(running))
        leaving = asyncio.create_task(read_all(running))
        await asyncio.sleep(0)
        assert running.readers == 2
        leaving.cancel()
        await asyncio.wait([leaving])
        assert running.readers == 1
        say(running, "still here")
        complete(running)
        assert await staying == running.reply.log
        assert running.readers == 0

    async def test_who_lags_gets_everything_at_once(self, running: RunningReply) -> None:
        with Reader(running) as reader:
            for n in range(100):
                say(running, str(n))
            complete(running)
            first, fresh = await reader.next(5)
            assert (first, fresh) == (1, running.reply.log)
            assert reader.finished

    async def test_hears_nothing_when_nothing_happens(self, running: RunningReply) -> None:
        say(running, "x")
        with Reader(running) as reader:
            await reader.next(5)
            assert await reader.next(0.01) == (2, [])
            assert not reader.finished

    async def test_of_an_ended_reply_does_not_wait(self, running: RunningReply) -> None:
        complete(running)
        with Reader(running, 2) as reader:
            assert reader.finished
            assert await reader.next(60) == (3, [])


class TestWaiting:
    async def test_for_the_first_word_ends_with_it(self, running: RunningReply) -> None:
        waiting = asyncio.create_task(running.begun(5))
        await asyncio.sleep(0)
        running.changed()  # something else
        await asyncio.sleep(0)
        assert not waiting.done()
        say(running, "Well")
        assert await waiting
        assert await running.begun(0)

    async def test_for_the_first_word_ends_with_the_reply(self, running: RunningReply) -> None:
        waiting = asyncio.create_task(running.begun(5))
        await asyncio.sleep(0)
        complete(running)
        assert await waiting

    async def test_has_an_end(self, running: RunningReply) -> None:
        assert not await running.begun(0.01)
        assert not await running.begun(-1)

    async def test_many_are_woken_together(self, running: RunningReply) -> None:
        waiting = [asyncio.create_task(running.news(5)) for _ in range(10)]
        gone = asyncio.create_task(running.news(0.001))
        await gone
        running.changed()
        await asyncio.gather(*waiting)


async def test_there_is_nothing_to_give_up_before_it_runs(running: RunningReply) -> None:
    running.give_up()
    running.stop()
    assert running.stopping
    assert not running.settling
