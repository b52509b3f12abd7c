"""A talking head on this machine: the avatar instance protocol on the loopback interface, pictures and sound
by WebRTC, in a process of its own.

`python -m entrypoints.children.avatar_instance --look ada --port N` (or `--fd LISTENER`), with the secret
that callers must show in AVATAR_SECRET (none: it makes one and prints it, unless it is to be `--open`) and
ICE servers, a JSON list as browsers take it, in AVATAR_ICE_SERVERS. It ends with its parent. Where the data
of its voice are missing or damaged it serves nothing and ends with status 78.
"""

import argparse
import asyncio
import json
import logging
import os
import secrets
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

from adapters.avatar_manager.pool import UNFIT
from adapters.data_files import DataFileDamaged, DataFileMissing
from adapters.loopback import SECRET_HEADER, LoopbackServer
from adapters.processes.ports import loopback_listener
from adapters.processes.tether import ask_for_sigterm_at_death_of
from adapters.talking_head.looks import LOOKS

SECRET, ICE_SERVERS = "AVATAR_SECRET", "AVATAR_ICE_SERVERS"  # variables of the environment
SECRET_MIN = 16
SESSIONS = 4
WATCH = 1.0  # seconds between two looks at the parent

log = logging.getLogger("avatar_instance")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--look", choices=tuple(LOOKS), default=next(iter(LOOKS)), help="who it is")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--port", type=int, default=0, help="where to listen; 0 chooses one and prints it")
    where.add_argument("--fd", type=int, help="a listening socket to serve, from a parent process")
    parser.add_argument("--max-sessions", type=int, default=SESSIONS, help=f"viewers at once ({SESSIONS})")
    parser.add_argument("--open", action="store_true", help="whoever can connect may ask, without a secret")
    parser.add_argument("--recordings", type=Path, help="folder of recordings; else a temporary one")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM, SIGINT or the death of the parent; the exit status."""
    parent = os.getppid()
    secret = os.environ.pop(SECRET, "")
    if secret and len(secret) < SECRET_MIN:
        print(f"{SECRET} must hold at least {SECRET_MIN} characters", file=sys.stderr)  # noqa: T201 (its log)
        return 2
    if secret and arguments.open:
        print(f"with {SECRET} it cannot be --open", file=sys.stderr)  # noqa: T201 (its log)
        return 2
    if not secret and not arguments.open:
        secret = secrets.token_hex(16)
        print(f"{SECRET_HEADER}: {secret}", flush=True)  # noqa: T201 (whoever started it shall know)
    try:
        servers = _ice_servers(os.environ.pop(ICE_SERVERS, ""))
    except ValueError as error:
        print(f"{ICE_SERVERS} {error}", file=sys.stderr)  # noqa: T201 (its log)
        return 2
    ask_for_sigterm_at_death_of(parent)
    return asyncio.run(_serve(arguments, secret, servers, parent))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="avatar_instance", description=__doc__)
    configure(parser)
    return run(parser.parse_args(arguments))


async def _serve(arguments: argparse.Namespace, secret: str, servers: list[object], parent: int) -> int:
    given = arguments.fd is not None
    listener = socket.socket(fileno=arguments.fd) if given else loopback_listener(arguments.port)
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("aioice").setLevel(logging.WARNING)  # it tells every candidate
    port = listener.getsockname()[1]
    print(f"{arguments.look} listens on http://127.0.0.1:{port}", flush=True)  # noqa: T201 (its log)

    # Half a second of imports that nobody needs who only asks for help.
    from adapters.talking_head.audience import Audience
    from adapters.talking_head.ice import ice_servers, offer_loopback_too
    from adapters.talking_head.protocol import Protocol, refused
    from adapters.talking_head.speech import Studio
    from adapters.talking_head.sprites import Sprites
    from adapters.talking_head.voice import check_files

    try:
        check_files()
    except (DataFileMissing, DataFileDamaged, OSError) as error:
        log.error("%s cannot speak: %s", arguments.look, error)
        return UNFIT
    offer_loopback_too()
    look = LOOKS[arguments.look]
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(max(2, os.cpu_count() or 1), thread_name_prefix="media"))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sprites, studio = Sprites(look.features), Studio(look.tone)
    audience = Audience(
        sprites=sprites, studio=studio, limit=arguments.max_sessions, ice_servers=ice_servers(servers)
    )
    protocol = Protocol(audience=audience, drawn=asyncio.Event(), recordings=arguments.recordings)

    async def get_ready() -> None:
        voice = asyncio.create_task(studio.open())
        await asyncio.to_thread(sprites.draw)
        protocol.drawn.set()
        await voice
        log.info("%s is ready", look.name)
        await asyncio.to_thread(sprites.draw_others, lambda: not stop.is_set())

    async with AsyncExitStack() as stack:
        stack.callback(studio.close)
        stack.push_async_callback(audience.close)
        await stack.enter_async_context(LoopbackServer(listener, secret, protocol.routes, refused))
        preparing = asyncio.create_task(get_ready())
        preparing.add_done_callback(lambda task: stop.set() if _failed(task) else None)
        while not stop.is_set() and os.getppid() == parent:  # where the kernel does not tell us
            try:
                async with asyncio.timeout(WATCH):
                    await stop.wait()
            except TimeoutError:
                continue
    if _failed(preparing):
        log.error("%s could not be made ready: %s", look.name, preparing.exception())
        return 1
    return 0


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


def _ice_servers(text: str) -> list[object]:
    if not text:
        return []
    try:
        given = json.loads(text)
    except ValueError:
        raise ValueError("must be a JSON list of ICE servers") from None
    if not isinstance(given, list):
        raise ValueError("must be a JSON list of ICE servers")
    return given


if __name__ == "__main__":
    sys.exit(main())
