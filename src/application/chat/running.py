"""A reply that is being generated in this process."""

import asyncio
import time
from dataclasses import dataclass, field

from application.chat.feed import Feed
from application.chat.reply import AvatarState, Reply
from application.chat.telling import Telling
from application.ports.replies import Run
from domain.user import UserId

FOLLOWED_S = 2.5  # a reader elsewhere says every second that it is there


@dataclass(eq=False, slots=True)
class RunningReply:
    """One generation, any number of readers, here and elsewhere."""

    reply: Reply
    run: Run
    user: UserId
    telling: Telling
    accepted_at: float  # by the telling's clock
    feed: Feed = field(init=False)
    task: "asyncio.Task[None] | None" = None
    started: bool = False  # the task has reached the point from where it settles whatever happens
    stopping: bool = False  # a user, not a fault, ends it
    settling: bool = False  # generation is over, the outcome is being stored: too late to stop
    stopped_at: float | None = None  # `time.monotonic()` when it was told to end
    upstream_closed_ms: int = 0  # from there to the end of the model's connection
    mirrored: int = 0  # how many events of the log have a copy elsewhere
    followed_until: float = 0.0  # until then somebody reads it elsewhere; likewise
    unread_since: float | None = None  # nobody reads it anywhere; likewise

    def __post_init__(self) -> None:
        self.feed = Feed(self.reply.session, self.reply.message, self.reply.log)

    def is_read(self, now: float) -> bool:
        """Whether somebody reads it, here or elsewhere."""
        return self.followed_until > now or any(reader.counts for reader in self.feed.readers)

    def follow(self, now: float) -> None:
        """Somebody elsewhere reads it."""
        self.followed_until = now + FOLLOWED_S

    def tell_avatar(self, state: AvatarState) -> None:
        """The readers are told how the avatar is that speaks the reply."""
        self.reply.tell_avatar(state)
        self.feed.news()

    def stop(self) -> None:
        """End it on a user's behalf: the upstream is closed, what was said is kept."""
        if not self.settling:
            self.stopping = True
        self.give_up()

    def give_up(self) -> None:
        """End it for reasons of our own; what was said is kept."""
        if self.settling or self.task is None:
            return
        if self.stopped_at is None:
            self.stopped_at = time.monotonic()
        if not self.started:  # cancelled before its first step, it would never settle
            asyncio.get_running_loop().call_soon(self.give_up)
            return
        self.settling = True
        self.task.cancel()

    def upstream_is_closed(self) -> None:
        """Nothing more can come from the model."""
        if self.stopped_at is not None:
            passed = time.monotonic() - self.stopped_at
            self.upstream_closed_ms = round(passed * 1000)
