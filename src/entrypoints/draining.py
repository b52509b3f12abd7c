"""Ending politely: a worker asked to stop tells its streams, and cannot hang for ever."""

import asyncio
import signal
from types import FrameType


def install_drain(drain: asyncio.Event, grace: float) -> None:
    """Set the event when this process is asked to stop; end it hard if it still runs after `grace` seconds.

    To be called in the main thread, on the running loop, after the server has set its own handlers (in the
    lifespan): those are reached through the loop's wake-up descriptor and go on working.
    """
    loop = asyncio.get_running_loop()

    def asked(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(drain.set)
        # perhaps nobody is left who would kill us when we hang; the alarm's default action does
        signal.setitimer(signal.ITIMER_REAL, grace)

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
