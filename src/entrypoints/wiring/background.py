"""What goes on in a process beside its requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from dishka import AsyncContainer

from adapters.redis.heartbeat import heartbeat
from application.accounts.deliver_mail import DeliverMail
from application.accounts.mark_absent import MarkAbsent
from application.chat.audience import Audience
from application.chat.elsewhere import Elsewhere
from application.chat.engine import Replies
from application.chat.heed import Heed
from application.chat.settle import SettleAbandoned
from application.files.sweep_orphans import PlanSweep
from application.indexing.renew_index import RenewIndex
from application.indexing.watch_files import WatchFiles
from application.jobs.work_off import WorkOff
from application.ports.knowledge import Knowledge
from application.retention.plan import PlanExpiry
from application.tasks import ended, kept_going
from domain.errors import DomainError, StorageUnavailable
from entrypoints.http import spool
from entrypoints.http.event_stream import Logins
from entrypoints.settings import Settings
from entrypoints.wiring.avatars import avatar_chores
from entrypoints.wiring.jobs import DocumentJobs, MailJobs
from entrypoints.wiring.models import ChatJobs
from entrypoints.wiring.shared_state import WorkerId

SETTLE_EVERY_S = 0.5
PRESENCE_EVERY_S = 300.0
RENEW_EVERY_S = 2.0
PLAN_EVERY_S = 600.0
TIDY_EVERY_S = 600.0
JOBS_AT_ONCE = 2  # so that one slow erasure does not hold up the next
DOCUMENTS_AT_ONCE = 4  # they take turns at the processor, so that a short one is soon done beside long ones
CODES_AT_ONCE = 2  # likewise for a mail server that takes its time with one address


@asynccontextmanager
async def alive(container: AsyncContainer) -> AsyncIterator[None]:
    """This process counts as a living worker, and its replies are copied, as long as the context lasts."""
    settings = await container.get(Settings)
    worker = await container.get(WorkerId)
    replies = await container.get(Replies)
    with heartbeat(settings.redis_url, worker):
        replies.open()
        try:
            yield
        finally:
            await replies.drain(0)


@asynccontextmanager
async def attended(container: AsyncContainer) -> AsyncIterator[None]:
    """Those who read streams in this process are looked after as long as the context lasts."""
    audience, logins = await container.get(Audience), await container.get(Logins)
    files = await container.get(WatchFiles)
    tasks = [
        asyncio.create_task(kept_going(name, do))
        for name, do in (("audience", audience.attend), ("logins", logins.attend), ("files", files.follow))
    ]
    try:
        yield
    finally:
        await ended(*tasks)


@asynccontextmanager
async def chores(container: AsyncContainer, *, jobs: bool) -> AsyncIterator[None]:
    """Mail, orders to stop, abandoned replies, forgotten files, avatars and (with `jobs`) the job queue are
    seen to as long as the context lasts."""
    heed, elsewhere = await container.get(Heed), await container.get(Elsewhere)
    doing = [
        kept_going("calls", heed.forever),
        kept_going("elsewhere", elsewhere.follow),
        kept_going("settling", _every(SETTLE_EVERY_S, await container.get(SettleAbandoned))),
        kept_going("presence", _every(PRESENCE_EVERY_S, await container.get(MarkAbsent))),
        kept_going("spool", _every(TIDY_EVERY_S, partial(asyncio.to_thread, spool.drop_forgotten))),
    ]
    doing += [kept_going(name, _every(s, do)) for name, s, do in await avatar_chores(container)]
    deliver_mail = await container.get(DeliverMail)
    doing += [kept_going("codes", deliver_mail.forever) for _ in range(CODES_AT_ONCE)]
    knowledge = await container.get(Knowledge)
    if knowledge.own:
        doing.append(_warm(knowledge))
    if jobs:
        work_off, mails = await container.get(WorkOff), await container.get(MailJobs)
        chats, documents = await container.get(ChatJobs), await container.get(DocumentJobs)
        doing += [kept_going("jobs", work_off.forever) for _ in range(JOBS_AT_ONCE)]
        doing += [kept_going("documents", documents.forever) for _ in range(DOCUMENTS_AT_ONCE)]
        if knowledge.own:
            doing.append(_renewed(await container.get(RenewIndex)))
        doing.append(kept_going("mails", mails.forever))
        doing.append(kept_going("chats", chats.forever))
        if (await container.get(Settings)).sweep_orphans != "off":
            doing.append(kept_going("sweeps", _every(PLAN_EVERY_S, await container.get(PlanSweep))))
        doing.append(kept_going("expiry", _every(PLAN_EVERY_S, await container.get(PlanExpiry))))
    async with AsyncExitStack() as stack:
        for chore in doing:
            stack.push_async_callback(ended, asyncio.create_task(chore))
        yield


async def _warm(knowledge: Knowledge) -> None:
    """The first question must not pay for loading the embedding model."""
    with suppress(DomainError):
        await knowledge.check()


async def _renewed(renew_index: RenewIndex) -> None:
    """Nobody changes the embedding model while we run: once the index is renewed it stays so."""
    more = True
    while more:
        with suppress(StorageUnavailable):
            more = await renew_index()
        if more:
            await asyncio.sleep(RENEW_EVERY_S)


def _every(seconds: float, do: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    async def again_and_again() -> None:
        while True:
            with suppress(StorageUnavailable):
                await do()
            await asyncio.sleep(seconds)

    return again_and_again
