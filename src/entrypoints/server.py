"""The web server: Granian's main process, a child of `virtual-tutor serve`, and the factory of its workers.

Run as `python -m entrypoints.server`. It imports the application before it forks, so that workers share the
memory and start at once, and waits for a line on its standard input before it listens: by then the database
is migrated and the embedded parts are up.
"""

import asyncio
import gc
import signal
import sys

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops, TaskImpl
from granian.log import LogLevels

from adapters.processes.lifeline import die_with_parent
from entrypoints.draining import install_drain
from entrypoints.http.edge import Edge
from entrypoints.logs import configure_logging
from entrypoints.runtime import resolve
from entrypoints.settings import Settings, load_settings
from entrypoints.wiring.application import create_app

CONNECTIONS = 16384  # per worker, idle keep-alive ones included
SPARE_S = 1  # between the end of the drain time and the end by force


def create() -> Edge:
    """The application of one worker; called in the worker's process."""
    for number in (signal.SIGTERM, signal.SIGINT):  # the parent's handlers would do nothing here
        signal.signal(number, signal.SIG_DFL)
    die_with_parent()
    settings = resolve(load_settings())
    configure_logging(settings.log_level)
    by_force = settings.drain_seconds + SPARE_S

    def opened(drain: asyncio.Event) -> None:
        install_drain(drain, by_force)
        rest_memory()

    return create_app(settings, watch_for_drain=opened)


def rest_memory() -> None:
    """What is there by now stays: looking through all of it for garbage would hold up tokens for 0.2 s."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 50)


def listen(settings: Settings) -> None:
    """Serve until told to stop."""
    Granian(
        "entrypoints.server:create",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        task_impl=TaskImpl.asyncio,
        http=HTTPModes.http1,
        websockets=False,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
        factory=True,
        respawn_failed_workers=True,
        workers_kill_timeout=settings.drain_seconds + SPARE_S,
        log_level=LogLevels.warning,
    ).serve(target_loader=create, wrap_loader=False)


def main() -> int:
    settings = load_settings()
    gc.collect()
    gc.freeze()  # what is shared with the workers stays shared
    if not sys.stdin.readline():
        return 0  # whoever started us is gone
    listen(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
