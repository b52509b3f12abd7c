import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from application.chat.engine import Question, Replies
from application.chat.running import RunningReply
from application.chat.settle import SettleReply
from application.ports.calls import Calls
from application.ports.replies import Run, Runs, SessionBusy
from application.ports.throttle import Limit, Throttle
from domain.conversation import ReplyInProgress, SessionId
from domain.errors import RateLimited, ShuttingDown
from domain.user import UserId

WAIT_FOR_TURN_S, POLL_S, SAY_AGAIN_S = 10.0, 0.1, 1.0

Store = Callable[[], Awaitable[Question]]
Stored = Callable[[Question], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeTurn:
    """One reply at a time in a session, across workers: what is to be answered is stored in the session's
    turn, and generated whether or not somebody listens."""

    runs: Runs
    replies: Replies
    settle: SettleReply
    calls: Calls
    throttle: Throttle
    per_minute: int  # 0 = no limit
    wait_s: float = WAIT_FOR_TURN_S

    async def admit(self, user: UserId) -> None:
        """Whether the user may ask at all now; it counts. Raises ShuttingDown, RateLimited."""
        if self.replies.draining:
            raise ShuttingDown
        limit = Limit("chat", self.per_minute, timedelta(minutes=1))
        if wait := await self.throttle.take(limit, str(user)):
            raise RateLimited(retry_after=wait)

    async def __call__(
        self, session: SessionId | None, store: Store, stored: Stored | None = None
    ) -> RunningReply:
        """`store` puts what is asked into the database, `stored` is told before anybody is asked for the
        answer. Without a session `store` opens one. Raises ReplyInProgress."""
        if session is None:
            question = await store()
            run, _ = await self.runs.claim(question.session)
        else:
            run, abandoned = await self._claim(session)
            try:
                if abandoned is not None and abandoned.message is not None:
                    await self.settle(session, abandoned.message)
                question = await store()
            except BaseException:
                await self.replies.let_go(run)
                raise
        return await self._begin(run, question, stored)

    async def _begin(self, run: Run, question: Question, stored: Stored | None) -> RunningReply:
        """A question that is stored but cannot be answered now is settled like one whose worker died."""
        try:
            run = await self.runs.bind(run, question.answer)
            if stored is not None:
                await stored(question)
            return self.replies.start(question, run)
        except BaseException:
            await self.replies.let_go(run)
            raise

    async def _claim(self, session: SessionId) -> tuple[Run, Run | None]:
        """Our turn in the session: at once, or when the running reply has ended; a reply that nobody reads is
        stopped. The second value is the run of a dead worker, whose reply is ours to settle."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.wait_s
        say_at = 0.0
        while True:
            try:
                return await self.runs.claim(session)
            except SessionBusy as busy:
                if loop.time() > deadline:
                    raise ReplyInProgress from busy
                if self.replies.of_session(session) is not None:
                    self.replies.stop_unread(session)
                elif loop.time() >= say_at:
                    say_at = loop.time() + SAY_AGAIN_S
                    await self.calls.stop_unread(session)
            await asyncio.sleep(POLL_S)
