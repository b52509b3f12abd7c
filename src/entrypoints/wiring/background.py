"""What goes on in a process beside its requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from dishka import AsyncContainer

from adapters.redis.heartbeat import heartbeat
from application.accounts.deliver_mail import DeliverMail
from application.accounts.mark_absent import MarkAbsent
from application.chat.audience import Audience
from application.chat.elsewhere import Elsewhere
from application.chat.engine import Replies
from application.chat.heed import Heed
from application.chat.settle import SettleAbandoned
from application.jobs.work_off import WorkOff
from application.ports.knowledge import Knowledge
from application.tasks import ended, kept_going
from domain.errors import DomainError, StorageUnavailable
from entrypoints.http.event_stream import Logins
from entrypoints.settings import Settings
from entrypoints.wiring.avatars import avatar_chores
from entrypoints.wiring.models import ChatJobs
from entrypoints.wiring.shared_state import WorkerId
from entrypoints.wiring.use_cases import MailJobs

SETTLE_EVERY_S = 0.5
PRESENCE_EVERY_S = 300.0
JOBS_AT_ONCE = 2  # so that one slow document does not hold up the next
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
    tasks = [
        asyncio.create_task(kept_going(name, do))
        for name, do in (("audience", audience.attend), ("logins", logins.attend))
    ]
    try:
        yield
    finally:
        await ended(*tasks)


@asynccontextmanager
async def chores(container: AsyncContainer, *, jobs: bool) -> AsyncIterator[None]:
    """Mail, orders to stop, abandoned replies, avatars and (with `jobs`) the job queue are seen to as long as
    the context lasts."""
    heed, elsewhere = await container.get(Heed), await container.get(Elsewhere)
    doing = [
        kept_going("calls", heed.forever),
        kept_going("elsewhere", elsewhere.follow),
        kept_going("settling", _every(SETTLE_EVERY_S, await container.get(SettleAbandoned))),
        kept_going("presence", _every(PRESENCE_EVERY_S, await container.get(MarkAbsent))),
    ]
    doing += [kept_going(name, _every(s, do)) for name, s, do in await avatar_chores(container)]
    deliver_mail = await container.get(DeliverMail)
    doing += [kept_going("codes", deliver_mail.forever) for _ in range(CODES_AT_ONCE)]
    knowledge = await container.get(Knowledge)
    if knowledge.own:
        doing.append(_warm(knowledge))
    if jobs:
        work_off, mails = await container.get(WorkOff), await container.get(MailJobs)
        chats = await container.get(ChatJobs)
        doing += [kept_going("jobs", work_off.forever) for _ in range(JOBS_AT_ONCE)]
        doing.append(kept_going("mails", mails.forever))
        doing.append(kept_going("chats", chats.forever))
    async with AsyncExitStack() as stack:
        for chore in doing:
            stack.push_async_callback(ended, asyncio.create_task(chore))
        yield


async def _warm(knowledge: Knowledge) -> None:
    """The first question must not pay for loading the embedding model."""
    with suppress(DomainError):
        await knowledge.check()


def _every(seconds: float, do: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    async def again_and_again() -> None:
        while True:
            with suppress(StorageUnavailable):
                await do()
            await asyncio.sleep(seconds)

    return again_and_again
