"""What operators may see of a process, and how the parent process learns of it."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from dishka import AsyncContainer, Provider, Scope, decorate, provide
from prometheus_client import CollectorRegistry

from adapters.prometheus.replies import PrometheusReplies
from adapters.prometheus.requests import Requests
from adapters.prometheus.snapshot import write_snapshot
from adapters.prometheus.work import CountedMailer, CountedThrottle, PrometheusJobs
from application.ports.mail import Mailer
from application.ports.metrics import JobMetrics, ReplyMetrics
from application.ports.throttle import Throttle
from entrypoints.runtime import metrics_folder
from entrypoints.settings import Settings

log = logging.getLogger(__name__)

EVERY_S = 1.0  # what a crash can lose


class MetricsProvider(Provider):
    scope = Scope.APP
    replies = provide(PrometheusReplies, provides=ReplyMetrics)
    jobs = provide(PrometheusJobs, provides=JobMetrics)
    mailer = decorate(CountedMailer, provides=Mailer)
    throttle = decorate(CountedThrottle, provides=Throttle)

    @provide
    def registry(self) -> CollectorRegistry:
        return CollectorRegistry()


@asynccontextmanager
async def published(container: AsyncContainer, requests: Requests) -> AsyncIterator[None]:
    """The parent process can read what this one has counted, as long as the context lasts."""
    settings = await container.get(Settings)
    if not settings.metrics_port:
        yield
        return
    registry, over = await container.get(CollectorRegistry), asyncio.Event()
    registry.register(requests)
    publishing = asyncio.create_task(publish(registry, metrics_folder(settings.data_dir), over))
    try:
        yield
    finally:
        over.set()
        await publishing


async def publish(
    registry: CollectorRegistry, folder: Path, over: asyncio.Event, every_s: float = EVERY_S
) -> None:
    """A snapshot every second and one at the end. One that fails is a bug, and no reason to end the rest."""
    while not over.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await over.wait()
        try:
            await asyncio.to_thread(_write, registry, folder)
        except Exception:
            log.exception("metrics could not be published")


def _write(registry: CollectorRegistry, folder: Path) -> None:
    with suppress(OSError):  # nobody asks for it, or there is no room: the next time, perhaps
        write_snapshot(registry, folder, os.getpid())
