"""The log of a reply as its readers see it: each at its own place, and none in the way of another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from application.chat.audience import Audience, TooManyStreams
from application.chat.feed import Feed, Reader
from application.ports.language_model import ModelFailed
from domain.conversation import MessageId, SessionId
from domain.user import UserId
from tests.fakes.metrics import FakeReplyMetrics
from tests.unit.chat.room import read_on, until

ANN, BEN = UserId(7), UserId(8)


@pytest.fixture
def feed() -> Feed:
    return Feed(SessionId(1), MessageId(2), [])


def say(feed: Feed, event: str, *, spoken: bool = True) -> None:
    assert isinstance(feed.log, list)
    feed.log.append(f"{event}\n\n".encode())
    feed.spoken = spoken
    feed.news()


async def turns(n: int = 3) -> None:
    """Whoever can go on does."""
    for _ in range(n):
        await asyncio.sleep(0)


class TestReader:
    async def test_reads_what_was_said_and_what_will_be(self, feed: Feed) -> None:
        say(feed, "be")
        reading = asyncio.create_task(read_on(feed))
        await turns()
        say(feed, "fore")
        say(feed, "hand")
        await turns()
        feed.close()
        assert await reading == feed.log

    async def test_many_read_the_same_each_at_its_own_place(self, feed: Feed) -> None:
        readers = []
        for n in range(20):
            if n % 5 == 0:
                readers.append(asyncio.create_task(read_on(feed, n)))
            say(feed, f"{n}")
            await turns(1)
        late = asyncio.create_task(read_on(feed))
        await turns()
        feed.close()
        log = feed.log
        assert await asyncio.gather(*readers, late) == [log, log[5:], log[10:], log[15:], log]

    async def test_who_leaves_changes_nothing_for_the_others(self, feed: Feed) -> None:
        staying = asyncio.create_task(read_on(feed))
        leaving = asyncio.create_task(read_on(feed))
        await turns()
        assert len(feed.readers) == 2
        leaving.cancel()
        await asyncio.wait([leaving])
        assert len(feed.readers) == 1
        say(feed, "still here")
        feed.close()
        assert await staying == feed.log
        assert feed.readers == set()

    async def test_who_lags_gets_everything_in_one_piece(self, feed: Feed) -> None:
        with Reader(feed) as reader:
            for n in range(100):
                say(feed, f"{n}")
            feed.close()
            assert reader.behind == 100
            assert await reader.next() == b"".join(feed.log)
            assert reader.finished

    async def test_one_event_is_passed_on_as_it_is(self, feed: Feed) -> None:
        say(feed, "x")
        with Reader(feed) as reader:
            assert await reader.next() is feed.log[0]

    async def test_holds_its_place_and_no_copy(self, feed: Feed) -> None:
        with Reader(feed) as reader:
            for n in range(10_000):
                say(feed, f"{n}")
            assert reader.seen == 0
            assert reader.feed.log is feed.log
            assert not hasattr(reader, "__dict__")

    async def test_at_the_end_does_not_wait(self, feed: Feed) -> None:
        say(feed, "x")
        feed.close()
        for seen in (1, 7):  # also who was told more than there is
            with Reader(feed, seen) as reader:
                assert reader.finished
                assert await reader.next() == b""

    async def test_who_is_ahead_waits_until_there_is_more(self, feed: Feed) -> None:
        """A copy may not have what its reader was told elsewhere."""
        say(feed, "one")
        with Reader(feed, 2) as reader:
            reading = asyncio.create_task(reader.next())
            await turns()
            say(feed, "two")
            assert await reading == b""
            say(feed, "three")
            assert await reader.next() == b"three\n\n"

    @pytest.mark.parametrize("waiting", [True, False])
    async def test_that_quits_is_told_nothing_more(self, feed: Feed, waiting: bool) -> None:
        with Reader(feed) as reader:
            reading = asyncio.create_task(reader.next())
            if waiting:
                await turns()
            else:
                say(feed, "x")
            reader.quit()
            assert await reading == b""
            assert reader.finished
            assert not reader.dropped

    async def test_that_is_dropped_is_shown_out_once(self, feed: Feed) -> None:
        shown_out = []
        with Reader(feed, leave=lambda: shown_out.append(1)) as reader:
            reader.drop()
            reader.drop()
            assert reader.dropped
            assert reader.finished
        assert shown_out == [1]


class TestWaitingForTheFirstWord:
    async def test_ends_with_it(self, feed: Feed) -> None:
        waiting = asyncio.create_task(feed.begun(5))
        await turns()
        say(feed, "sources", spoken=False)
        await turns()
        assert not waiting.done()
        say(feed, "Well")
        assert await waiting
        assert await feed.begun(0)

    async def test_ends_with_the_reply(self, feed: Feed) -> None:
        waiting = [asyncio.create_task(feed.begun(5)) for _ in range(10)]
        await turns()
        feed.close(failure := ModelFailed())
        assert all(await asyncio.gather(*waiting))
        assert feed.failure is failure

    async def test_has_an_end_for_each(self, feed: Feed) -> None:
        patient = asyncio.create_task(feed.begun(5))
        await turns()
        assert not await feed.begun(0.01)
        assert not await feed.begun(0)
        assert not await feed.begun(-1)
        assert not patient.done()
        feed.close()
        assert await patient

    async def test_may_be_given_up(self, feed: Feed) -> None:
        waiting = asyncio.create_task(feed.begun(5))
        await turns()
        waiting.cancel()
        await asyncio.wait([waiting])
        say(feed, "nobody is left to be woken")


class TestAudience:
    @pytest.fixture
    def metrics(self) -> FakeReplyMetrics:
        return FakeReplyMetrics()

    @pytest.fixture
    def audience(self, metrics: FakeReplyMetrics) -> Audience:
        return Audience(metrics=metrics, heartbeat_s=0.02, lag_max=5, stall_s=0.05, look_s=0.001)

    @asynccontextmanager
    async def reading(self, reader: Reader) -> AsyncIterator["asyncio.Task[bytes]"]:
        task = asyncio.create_task(reader.next())
        await turns()
        yield task
        task.cancel()
        await asyncio.wait([task])

    async def test_is_counted(self, audience: Audience, feed: Feed, metrics: FakeReplyMetrics) -> None:
        with audience.seat(feed), audience.seat(feed, 3) as second:
            assert metrics.readers == 2
            assert second.seen == 3
            second.drop()
        assert (metrics.readers, metrics.dropped) == (0, 1)
        assert feed.readers == set()

    async def test_admits_so_many_streams_of_one_user_and_no_more(self, metrics: FakeReplyMetrics) -> None:
        audience = Audience(metrics=metrics, heartbeat_s=15, per_user=2)
        with audience.admitted(ANN):
            with audience.admitted(ANN):
                with pytest.raises(TooManyStreams) as refused, audience.admitted(ANN):
                    pass
                assert refused.value.retry_after > 0
                with audience.admitted(BEN):
                    pass
            with audience.admitted(ANN):
                pass

    async def test_hears_a_sign_of_life_when_it_is_quiet(self, audience: Audience, feed: Feed) -> None:
        with audience.seat(feed) as reader:
            async with self.reading(reader) as first:
                audience.look()
                await turns()
                assert not first.done()  # not yet
                await asyncio.sleep(audience.heartbeat_s)
                audience.look()
                assert await first == b""
                assert not reader.finished
            async with self.reading(reader) as second:  # the next one is as far away again
                audience.look()
                await turns()
                assert not second.done()

    async def test_who_waits_is_never_dropped(self, audience: Audience, feed: Feed) -> None:
        attending = asyncio.create_task(audience.attend())
        with audience.seat(feed) as reader:
            woken = 0
            async with asyncio.timeout(5):
                while woken < 5:
                    assert await reader.next() == b""
                    woken += 1
            assert not reader.dropped
        attending.cancel()
        await asyncio.wait([attending])

    async def test_who_never_reads_is_dropped_once_too_much_waits(
        self, audience: Audience, feed: Feed, metrics: FakeReplyMetrics
    ) -> None:
        with audience.seat(feed) as slow, audience.seat(feed) as quick:
            for n in range(5):
                say(feed, f"{n}")
            audience.look()
            assert not slow.dropped
            say(feed, "one too many")
            await asyncio.sleep(2 * audience.look_s)
            await quick.next()
            audience.look()
            assert slow.dropped
            assert not quick.dropped
        assert metrics.dropped == 1

    async def test_who_is_stuck_with_what_he_took_is_dropped(self, audience: Audience, feed: Feed) -> None:
        say(feed, "x")
        with audience.seat(feed) as reader:
            await reader.next()
            audience.look()
            assert not reader.dropped
            await asyncio.sleep(audience.stall_s + 0.01)
            audience.look()
            assert reader.dropped

    async def test_who_always_finds_something_to_read_is_not_stuck(
        self, audience: Audience, feed: Feed
    ) -> None:
        """Slower than the model, but not by much: he never comes to wait."""
        loop = asyncio.get_running_loop()
        say(feed, "x")
        with audience.seat(feed) as reader:
            until_then = loop.time() + 2 * audience.stall_s
            while loop.time() < until_then:
                await reader.next()
                say(feed, "y")
                await asyncio.sleep(0.005)
                audience.look()
            assert not reader.dropped

    async def test_nobody_is_expected_to_read_before_the_first_word(
        self, audience: Audience, feed: Feed
    ) -> None:
        with audience.seat(feed) as reader:
            holding = asyncio.create_task(reader.begun(5))
            await asyncio.sleep(audience.stall_s + 0.01)
            audience.look()
            say(feed, "x")
            assert await holding
            audience.look()
            assert not reader.dropped

    async def test_who_comes_late_may_have_much_to_read(self, audience: Audience, feed: Feed) -> None:
        for n in range(100):
            say(feed, f"{n}")
        with audience.seat(feed) as reader:
            audience.look()
            assert not reader.dropped

    async def test_many_idle_readers_cost_little_to_look_after(self, audience: Audience, feed: Feed) -> None:
        with audience.seat(feed) as reader:
            waiting = asyncio.create_task(reader.next())
            await until(lambda: reader.waiting)
            for _ in range(1000):
                audience.look()
            assert reader.waiting
            feed.close()
            assert await waiting == b""
