import asyncio
from collections.abc import Iterator

import pytest

from domain.errors import TooLarge
from entrypoints.http.edge import LEAST_BYTES_PER_S, Body, BodyTooSlow, Message

GRACE_S = 0.2


class Client:
    """Sends pieces of a size, each after a pause; then nothing more, without an end."""

    def __init__(self, pieces: int, size: int, pause_s: float) -> None:
        self.left = pieces
        self._size = size
        self._pause_s = pause_s

    async def receive(self) -> Message:
        if not self.left:
            await asyncio.Event().wait()
        await asyncio.sleep(self._pause_s)
        self.left -= 1
        return {"type": "http.request", "body": bytes(self._size), "more_body": True}


def body(client: Client, limit: int = 10**9) -> Body:
    return Body(client.receive, limit, comes=True, grace_s=GRACE_S)


async def test_who_sends_nothing_is_given_up() -> None:
    async with asyncio.timeout(5):
        with pytest.raises(BodyTooSlow):
            await body(Client(0, 0, 0))()


async def test_who_drips_is_given_up() -> None:
    dripped = body(Client(10**6, 1, 0.01))

    async def read_on() -> None:
        while True:
            await dripped()

    async with asyncio.timeout(5):
        with pytest.raises(BodyTooSlow):
            await read_on()


async def test_who_is_slow_but_steady_gets_through() -> None:
    steady = body(Client(20, 4 * LEAST_BYTES_PER_S, 0.04))  # in all several times the grace

    for _ in range(20):
        assert (await steady())["body"]


async def test_what_was_sent_in_time_has_earned_time() -> None:
    """A client that pauses after much data is not worse than one that sent it slowly."""
    sent: Iterator[float] = iter((0.0, 3 * GRACE_S))

    async def receive() -> Message:
        await asyncio.sleep(next(sent))
        return {"type": "http.request", "body": bytes(LEAST_BYTES_PER_S), "more_body": True}

    pausing = Body(receive, 10**9, comes=True, grace_s=GRACE_S)

    assert (await pausing())["body"]
    assert (await pausing())["body"]


async def test_what_a_refusal_left_unread_is_swallowed_for_a_while() -> None:
    client = Client(10, 1, 0.05)
    await Body(client.receive, 10**9, comes=True, grace_s=GRACE_S, linger_s=0.12).drain()
    assert client.left > 5


async def test_who_was_let_begin_may_go_on_as_slowly_as_anybody_and_no_slower() -> None:
    steady, dripping = Client(14, 4 * LEAST_BYTES_PER_S, 0.05), Client(10**6, 1, 0.05)
    async with asyncio.timeout(5):
        for client in (steady, dripping):
            refused = Body(client.receive, 10**9, comes=True, grace_s=GRACE_S, linger_s=0.6)
            await refused()
            await refused.drain()
    assert steady.left == 0
    assert dripping.left > 10**6 - 50


async def test_whoever_sends_too_much_is_cut() -> None:
    flood = body(Client(10, 1000, 0), limit=2500)

    assert [len((await flood())["body"]) for _ in range(2)] == [1000, 1000]
    with pytest.raises(TooLarge):
        await flood()


async def test_after_the_body_one_waits_for_the_clients_leaving_as_long_as_it_takes() -> None:
    left = asyncio.Event()

    async def receive() -> Message:
        await left.wait()
        return {"type": "http.disconnect"}

    waiting = asyncio.create_task(Body(receive, 10, comes=False, grace_s=0.01)())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    left.set()
    assert (await waiting)["type"] == "http.disconnect"
