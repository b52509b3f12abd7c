import asyncio

from application.tasks import ended


async def test_a_task_that_swallows_its_first_cancellation_is_ended_all_the_same() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)

    await ended(task)

    assert task.cancelled()
    assert swallowed == 2


async def test_what_a_task_ends_with_is_nobodys_concern() -> None:
    async def failing() -> None:
        raise ValueError("while it was being ended")

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)  # it fails
    await ended(task, asyncio.create_task(asyncio.sleep(60)))

    assert isinstance(task.exception(), ValueError)
