"""What the pool does when instances misbehave, with instances that are no processes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.avatar_manager.pool import FROZEN_LOOKS, LACKING, UNFIT, Pool, StartFailed
from adapters.avatar_manager.roster import DELAYS, NotOn, Roster

LOOKS = {"ada": "ada", "bruno": "bruno"}


class Actor:
    """An instance that does as told: `up` says whether it answers, `deaf` whether it ends only by force."""

    def __init__(self, pid: int, up: bool, deaf: bool) -> None:
        self.pid = pid
        self.up = up
        self.deaf = deaf
        self.viewers = 0
        self.exit_code: int | None = None
        self.asked = False

    @property
    def is_over(self) -> bool:
        return self.exit_code is not None

    def ask_to_stop(self) -> None:
        self.asked = True
        if not self.deaf:
            self.exit_code = 0

    def kill(self) -> None:
        if self.exit_code is None:
            self.exit_code = -9


class Stage:
    """The port of an instance is its place among those that were ever launched."""

    def __init__(self, *, limit: int = 4) -> None:
        self.actors: list[Actor] = []
        self.up = True
        self.deaf = False
        self.stage_is_closed = False
        self.pool = Pool(
            roster=Roster(looks=LOOKS, limit=limit, warm_at=None),
            launch=self.launch,
            sessions=self.sessions,
            start_s=1.0,
            load_s=0.1,
            look_s=0.01,
            grace_s=0.1,
        )

    def launch(self, look: str) -> tuple[Actor, int]:
        if self.stage_is_closed:
            raise OSError("no more processes")
        self.actors.append(Actor(len(self.actors) + 1, self.up, self.deaf))
        return self.actors[-1], len(self.actors)

    async def sessions(self, port: int) -> int | None:
        await asyncio.sleep(0)
        actor = self.actors[port - 1]
        return actor.viewers if actor.up and not actor.is_over else None

    @property
    def running(self) -> list[Actor]:
        return [actor for actor in self.actors if not actor.is_over]

    async def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(1000):
            if holds():
                return
            await asyncio.sleep(0.005)
        raise AssertionError("it does not come about")


@asynccontextmanager
async def open_(stage: Stage) -> AsyncIterator[Pool]:
    attending = asyncio.create_task(stage.pool.attend())
    try:
        yield stage.pool
    finally:
        attending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attending
        assert stage.running == []


async def test_one_that_freezes_is_replaced_and_its_viewers_still_count() -> None:
    stage = Stage()
    async with open_(stage) as pool:
        await pool.start("ada", "ada_user_1")
        stage.actors[0].up = False

        await stage.until(lambda: len(stage.actors) == 2 and pool.on()[0].avatar.is_ready)

        assert (stage.actors[0].exit_code, stage.actors[0].asked) == (-9, False)
        assert (pool.on()[0].connections, pool.on()[0].port) == (1, 2)


async def test_a_few_missed_answers_are_forgiven() -> None:
    stage = Stage()
    async with open_(stage) as pool:
        await pool.start("ada", "ada_user_1")
        for _ in range(FROZEN_LOOKS):
            stage.actors[0].up = False
            await asyncio.sleep(0.015)
            stage.actors[0].up = True
            await asyncio.sleep(0.03)

        assert len(stage.actors) == 1


async def test_one_that_never_answers_is_tried_again_and_then_given_up() -> None:
    stage = Stage()
    stage.up = False
    stage.pool.start_s = 10
    async with open_(stage) as pool:
        with pytest.raises(StartFailed):
            await pool.start("ada", "ada_user_1")
        assert len(stage.actors) == len(DELAYS) + 1
        assert pool.roster.on == {}
        await stage.until(lambda: not stage.running)

        stage.up = True
        assert (await pool.start("ada", "ada_user_1")).connections == 1


async def test_one_that_lacks_something_is_not_tried_again_and_it_is_told_why() -> None:
    stage = Stage()
    stage.up = False
    async with open_(stage) as pool:
        starting = asyncio.create_task(pool.start("ada", "ada_user_1"))
        await stage.until(lambda: bool(stage.actors))
        stage.actors[0].exit_code = UNFIT
        pool.look()
        with pytest.raises(StartFailed, match=LACKING):
            await starting
        assert (len(stage.actors), pool.roster.on) == (1, {})


async def test_a_start_that_takes_too_long_counts_for_nobody_else() -> None:
    stage = Stage()
    stage.pool.load_s = 60
    async with open_(stage) as pool:
        stage.up = False
        first = asyncio.create_task(pool.start("ada", "ada_user_1"))
        await asyncio.sleep(0.5)
        second = asyncio.create_task(pool.start("ada", "ada_user_2"))
        with pytest.raises(StartFailed):
            await first
        stage.actors[0].up = True

        assert (await second).connections == 2  # what was counted when it came
        assert pool.on()[0].connections == 1


async def test_what_cannot_be_launched_is_refused_and_harms_nobody() -> None:
    stage = Stage()
    async with open_(stage) as pool:
        await pool.start("bruno", "bruno_user_1")
        stage.stage_is_closed = True

        with pytest.raises(StartFailed):
            await pool.start("ada", "ada_user_1")

        assert [info.avatar.name for info in pool.on()] == ["bruno"]


async def test_a_disconnect_waits_for_the_end_even_of_one_that_is_deaf() -> None:
    stage = Stage()
    stage.deaf = True
    async with open_(stage) as pool:
        await pool.start("ada", "ada_user_1")

        assert await pool.disconnect("ada") == 0

        assert (stage.actors[0].asked, stage.actors[0].exit_code) == (True, -9)
        with pytest.raises(NotOn):
            await pool.disconnect("ada")


async def test_between_two_processes_the_last_one_is_shown_as_not_running() -> None:
    stage = Stage()
    async with open_(stage) as pool:
        await pool.start("ada", "ada_user_1")
        stage.up = False
        stage.actors[0].kill()
        pool.look()
        await stage.until(lambda: not pool.roster.on["ada"].is_ready)

        (info,) = pool.on()

        assert (info.avatar.is_ready, info.connections) == (False, 1)
        assert info.port in (1, 2)


async def test_at_the_end_everything_ends() -> None:
    stage = Stage()
    async with open_(stage) as pool:
        await pool.start("ada", "ada_user_1")
        stage.deaf = True
        await pool.start("bruno", "bruno_user_1")

    assert [actor.exit_code for actor in stage.actors] == [0, -9]
