"""The worker's loop: claim a job, keep its lease, do it, settle it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_hex

from application.jobs.doubt import Doubt
from application.ports.clock import Clock
from application.ports.metrics import JobMetrics
from application.ports.persistence import JobQueue
from application.ports.wakeup import Wakeup
from application.tasks import ended
from domain.errors import DomainError, StorageUnavailable
from domain.job import Job, JobKind, last_try, retry_delay

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
RENEW_S = 10.0
LOOK_EVERY_S = 1.0

Doing = Callable[[Job], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOff:
    """Takes jobs of the kinds in `doing` one after another. `doing` maps each kind to what does it, which
    must be safe to run twice. `at_once`: for no owner are more of them done at a time, whoever does them."""

    queue: JobQueue
    wakeup: Wakeup
    clock: Clock
    doing: Mapping[JobKind, Doing]
    worker: str
    metrics: JobMetrics
    at_once: int | None = None
    doubt: Doubt = field(default_factory=Doubt)
    renew_s: float = RENEW_S
    look_every_s: float = LOOK_EVERY_S
    giving_up: Mapping[str, Doing] = field(default_factory=dict)  # says so to whom it concerns

    async def forever(self) -> None:
        while True:
            try:
                if not await self.one():
                    await self.wakeup.wait(self.look_every_s)
            except StorageUnavailable:
                await asyncio.sleep(self.look_every_s)

    async def one(self) -> bool:
        """Whether there was a job to do."""
        with self.doubt.heard() as doubted:
            return await self._one(doubted)

    async def _one(self, doubted: asyncio.Event) -> bool:
        holder = f"{self.worker}/{token_hex(4)}"  # a claim that was lost must not be taken for a later one
        job = await self.queue.claim(holder, self.clock.now(), LEASE, self.doing.keys(), self.at_once)
        if job is None:
            return False
        if last_try(job.kind, job.attempts - 1):  # it never came back from it: it kills whoever does it
            log.error("a job was given up", extra={"job_id": job.id, "kind": job.kind})
            await self._give_up(job)
            await self.queue.fail(job.id, holder, "GivenUp", None)
            self.metrics.job_ended(job.kind, "given_up")
            return True
        doing = asyncio.ensure_future(self.doing[JobKind(job.kind)](job))
        renewing = asyncio.ensure_future(self._renew(job, doing, doubted))
        try:
            await asyncio.wait({doing})
        finally:  # also when the worker itself is being stopped: the lease lapses, another takes over
            await ended(renewing, doing)
        await self._settle(job, doing)
        return True

    async def _renew(self, job: Job, doing: "asyncio.Future[None]", doubted: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(doubted.wait(), self.renew_s)
            doubted.clear()
            try:
                if not await self.queue.renew(job.id, job.holder, self.clock.now() + LEASE):
                    doing.cancel()
                    return
            except StorageUnavailable:
                pass  # there is time for another try before the lease lapses
            except Exception:
                log.exception("a lease could not be renewed", extra={"job_id": job.id, "kind": job.kind})

    async def _give_up(self, job: Job) -> None:
        if give_up := self.giving_up.get(job.kind):
            await give_up(job)

    async def _settle(self, job: Job, doing: "asyncio.Future[None]") -> None:
        if doing.cancelled():
            await self.queue.let_go(job.id, job.holder)
            return  # lost or cancelled: no longer ours to settle
        error = doing.exception()
        if error is None:
            await self.queue.finish(job.id, job.holder)
            self.metrics.job_ended(job.kind, "done")
            return
        if not isinstance(error, DomainError):
            log.error("a job failed", exc_info=error, extra={"job_id": job.id, "kind": job.kind})
        if job.is_last_try and not isinstance(error, DomainError):  # what refuses says so itself
            await self._give_up(job)
        retry_at = None if job.is_last_try else self.clock.now() + retry_delay(job.attempts)
        await self.queue.fail(job.id, job.holder, type(error).__name__, retry_at)
        self.metrics.job_ended(job.kind, "given_up" if job.is_last_try else "failed")
