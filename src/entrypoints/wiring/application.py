"""The web application of one worker process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dishka import AsyncContainer, Provider
from litestar import Litestar

from adapters.prometheus.requests import Requests
from application.chat.elsewhere import Elsewhere
from application.chat.engine import Replies
from application.indexing.watch_files import WatchFiles
from application.tasks import ended
from entrypoints.http.app import at_the_edge, build
from entrypoints.http.edge import Edge
from entrypoints.http.lifecycle import Lifecycle
from entrypoints.settings import Settings
from entrypoints.wiring.background import alive, attended, chores
from entrypoints.wiring.container import build_container
from entrypoints.wiring.metrics import published

SAVING_S = 0.5  # of the drain time is kept for interrupting and saving what still runs


def create_app(
    settings: Settings,
    *overrides: Provider,
    watch_for_drain: Callable[[asyncio.Event], None] | None = None,
) -> Edge:
    """Nothing is opened before the lifespan starts. `watch_for_drain` is called then, with the event to set
    when the process is asked to stop."""
    container = build_container(settings, *overrides)
    requests, jobs = Requests(), settings.job_worker == "embedded"
    grace_s = max(0.0, settings.drain_seconds - SAVING_S)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        lifecycle = await container.get(Lifecycle)
        if watch_for_drain is not None:
            watch_for_drain(lifecycle.drain)
        draining = asyncio.create_task(_drain(container, lifecycle, grace_s))
        try:
            async with (
                published(container, requests),
                alive(container),
                attended(container),
                chores(container, jobs=jobs),
            ):
                yield
                if lifecycle.draining:  # the server may find nobody connected while replies still run
                    await draining
        finally:
            await ended(draining)
            await container.close()

    app = build(container, lifespan, mailbox=settings.has_mailbox)
    return at_the_edge(app, settings.cors_origins, requests.answered, settings.body_grace_seconds)


async def _drain(container: AsyncContainer, lifecycle: Lifecycle, grace_s: float) -> None:
    """The server waits for open streams before it ends: their replies must end first."""
    await lifecycle.drain.wait()
    (await container.get(Elsewhere)).close()
    (await container.get(WatchFiles)).close()
    await (await container.get(Replies)).drain(grace_s)
