"""What stands in for an avatar instance where nobody needs to be seen: a process that serves /health on the
socket it is given, and misbehaves when asked to.

`python -m tests.servers.avatar_stand_in --look NAME --fd LISTENER`. POST /crash ends it at once, /freeze
makes it deaf to everything but SIGKILL, /watch/N has N viewers from now on. A file named after the look in
the folder STAND_IN_FAULTS says how it starts: `dead`, `unfit`, `slow`, or `frozen`.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path

from adapters.avatar_manager.pool import UNFIT
from adapters.loopback import Answer, Asked, LoopbackServer, Refusal, Route

SLOW_S = 1.0


class StandIn:
    def __init__(self, look: str) -> None:
        self.look = look
        self.viewers = 0

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/health", self.health),
            Route("POST", "/crash", self.crash),
            Route("POST", "/freeze", self.freeze),
            Route("POST", "/watch/", self.watch),
        )

    async def health(self, asked: Asked) -> Answer:
        told = {"status": "healthy", "service": "webrtc", "sessions": self.viewers, "max_sessions": 5}
        return Answer.json({**told, "look": self.look})

    async def crash(self, asked: Asked) -> Answer:
        os._exit(3)

    async def freeze(self, asked: Asked) -> Answer:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)  # noqa: ASYNC251 (that is what it is for)
        return Answer(200)

    async def watch(self, asked: Asked) -> Answer:
        self.viewers = int(asked.rest)
        return Answer(200)


def refused(refusal: Refusal) -> Answer:
    return Answer.json({"code": -1, "msg": refusal.message}, refusal.status)


async def _serve(listener: socket.socket, look: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    secret = os.environ["AVATAR_SECRET"]
    async with LoopbackServer(listener, secret, StandIn(look).routes(), refused):
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--look", required=True)
    parser.add_argument("--fd", type=int, required=True)
    given = parser.parse_args()
    fault = Path(os.environ.get("STAND_IN_FAULTS", os.devnull)) / given.look
    how = fault.read_text() if fault.is_file() else ""
    if how == "dead":
        sys.exit(4)
    if how == "unfit":
        sys.exit(UNFIT)
    if how == "slow":
        time.sleep(SLOW_S)
    if how == "frozen":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    asyncio.run(_serve(socket.socket(fileno=given.fd), given.look))


if __name__ == "__main__":
    main()
