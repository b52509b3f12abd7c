"""Our own small Avatar Manager: a process that runs avatar instances on this machine and speaks the protocols
of an Avatar Manager and of a live server, on the loopback interface, to whoever knows the secret.

`python -m entrypoints.children.avatar_manager --fd LISTENER --limit N`, with the secret of this launch in
AVATAR_SECRET. Its instances end with it, however it ends.
"""

import argparse
import asyncio
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from adapters.avatar_manager import health
from adapters.avatar_manager.api import Api, refused
from adapters.avatar_manager.catalogue import Catalogue, Entry
from adapters.avatar_manager.pool import Pool
from adapters.avatar_manager.roster import Roster
from adapters.loopback import LoopbackServer, instance_secret
from adapters.processes.child import Child, Program
from adapters.processes.ports import loopback_listener
from adapters.talking_head.looks import LOOKS
from entrypoints.children import previews

SECRET = "AVATAR_SECRET"  # noqa: S105 (a variable's name)
SECRET_MIN = 16
PYTHON = (sys.executable, "-P", "-m")
INSTANCE = (*PYTHON, "entrypoints.children.avatar_instance")
# What the reference web client asks for when nothing was chosen. A name of its own and no alias, for callers
# compare the names in a manager's list with those they have asked for.
USUAL_NAME = "test_yongen"

log = logging.getLogger("avatar-manager")


def launched(command: Sequence[str], look: str, secret: str) -> tuple[Child, int]:
    """An instance and its port, with a secret of its own. The socket was ours before, so that nobody else can
    have taken the port."""
    with loopback_listener() as listener:
        descriptor, port = listener.fileno(), listener.getsockname()[1]
        program = Program(
            name=f"The avatar {look}",
            argv=(*command, "--look", look, "--fd", str(descriptor)),
            environment={**os.environ, SECRET: instance_secret(secret, port)},
            keeps=(descriptor,),
            hard=True,
        )
        return Child.start(program), port


def main(arguments: Sequence[str] | None = None, instance: Sequence[str] = INSTANCE) -> int:
    """`instance` is the command that serves a look, given as further arguments, until it is told to stop."""
    parser = argparse.ArgumentParser(prog="avatar_manager")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, help="a listening socket")
    where.add_argument("--port", type=int)
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--warm-after", type=float, default=math.inf)  # seconds; else when one is expected
    given = parser.parse_args(arguments)
    secret = os.environ.pop(SECRET, "")
    if len(secret) < SECRET_MIN:
        print(f"{SECRET} must hold a secret of at least {SECRET_MIN} characters", file=sys.stderr)  # noqa: T201 (its log)
        return 2
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    listener = loopback_listener(given.port) if given.fd is None else socket.socket(fileno=given.fd)
    asyncio.run(_serve(listener, secret, given.limit, given.warm_after, instance))
    return 0


async def _serve(
    listener: socket.socket, secret: str, limit: int, warm_after: float, instance: Sequence[str]
) -> None:
    entries = catalogue_entries()
    pool = Pool(
        roster=Roster(
            looks={name: entry.look for name, entry in entries.items()},
            limit=limit,
            warm_at=time.monotonic() + warm_after,
        ),
        launch=lambda look: launched(instance, look, secret),
        sessions=lambda port: health.sessions(port, instance_secret(secret, port)),
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, pool.look)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    attending = asyncio.create_task(pool.attend())
    api = Api(pool, Catalogue(entries, previews.drawn))
    async with LoopbackServer(listener, secret, api.routes(), refused):
        log.info("serving at port %d", listener.getsockname()[1])
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({stopping, attending}, return_when=asyncio.FIRST_COMPLETED)
    attending.cancel()
    with suppress(asyncio.CancelledError):
        await attending


def catalogue_entries() -> dict[str, Entry]:
    """All looks under their own names, then the first one once more under the usual name."""
    looks = list(LOOKS.values())
    return {
        name: Entry(
            look=look.name,
            description=look.description,
            timbre=look.timbre,
            tts_model=look.tts_model,
            avatar_model=look.avatar_model,
        )
        for name, look in [*((look.name, look) for look in looks), (USUAL_NAME, looks[0])]
    }


if __name__ == "__main__":
    sys.exit(main())
