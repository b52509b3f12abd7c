import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from application.chat.engine import Question, Replies
from application.chat.running import RunningReply
from application.chat.settle import SettleReply
from application.ports.calls import Calls
from application.ports.persistence import Reading
from application.ports.replies import Run, Runs, SessionBusy
from application.ports.throttle import Limit, Throttle
from domain.conversation import ReplyInProgress, SessionId
from domain.errors import RateLimited, ShuttingDown
from domain.user import AccountBanned, TokenDead, UserId

WAIT_FOR_TURN_S, POLL_S, SAY_AGAIN_S = 10.0, 0.1, 1.0

REPLIES_AT_ONCE, RETRY_S = 20, 5  # of one user, at one worker

Store = Callable[[], Awaitable[Question]]
Stored = Callable[[Question], Awaitable[None]]
Hush = Callable[[UserId], Awaitable[None]]  # what an avatar says to the user ends; raises nothing


class TooManyReplies(RateLimited):
    msg = "Too many answers are being written for you. Please wait for one to end."


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeTurn:
    """One reply at a time in a session, across workers: what is to be answered is stored in the session's
    turn, and generated whether or not somebody listens."""

    runs: Runs
    replies: Replies
    settle: SettleReply
    calls: Calls
    throttle: Throttle
    reading: Reading
    hush: Hush
    per_minute: int  # 0 = no limit
    at_once: int = REPLIES_AT_ONCE
    wait_s: float = WAIT_FOR_TURN_S
    _under_way: Counter[UserId] = field(default_factory=Counter, init=False)

    async def admit(self, user: UserId) -> None:
        """Whether the user may ask at all now; it counts. Raises ShuttingDown, RateLimited."""
        if self.replies.draining:
            raise ShuttingDown
        limit = Limit("chat", self.per_minute, timedelta(minutes=1))
        if wait := await self.throttle.take(limit, str(user)):
            raise RateLimited(retry_after=wait)

    async def __call__(
        self, user: UserId, session: SessionId | None, store: Store, stored: Stored | None = None
    ) -> RunningReply:
        """`store` puts what is asked into the database, `stored` is told before anybody is asked for the
        answer. Without a session `store` opens one. Raises ReplyInProgress, TooManyReplies."""
        if self._under_way[user] + self.replies.of_user(user) >= self.at_once:
            raise TooManyReplies(retry_after=RETRY_S)
        self._under_way[user] += 1
        try:
            return await self._take(user, session, store, stored)
        finally:
            self._under_way[user] -= 1
            if not self._under_way[user]:
                del self._under_way[user]

    async def _take(
        self, user: UserId, session: SessionId | None, store: Store, stored: Stored | None
    ) -> RunningReply:
        if session is None:
            await self.hush(user)
            question = await store()
            run, _ = await self.runs.claim(question.session)
        else:
            run, abandoned = await self._claim(user, session)
            try:
                if abandoned is not None and abandoned.message is not None:
                    await self.settle(session, abandoned.message)
                await self.hush(user)  # what he has heard is known now, and told with his question
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
        except SessionBusy as busy:
            raise ReplyInProgress from busy
        except BaseException:
            await self.replies.let_go(run)
            raise

    async def _claim(self, user: UserId, session: SessionId) -> tuple[Run, Run | None]:
        """Our turn in the session: at once, or when the running reply has ended; a reply that nobody reads is
        stopped. The second value is the run of a dead worker, whose reply is ours to settle."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.wait_s
        say_at, waited = 0.0, False
        claimed: tuple[Run, Run | None] | None = None
        while claimed is None:
            try:
                claimed = await self.runs.claim(session)
            except SessionBusy as busy:
                waited = True
                if loop.time() > deadline:
                    raise ReplyInProgress from busy
                if self.replies.draining:
                    raise ShuttingDown from busy
                if self.replies.of_session(session) is not None:
                    self.replies.stop_unread(session)
                elif loop.time() >= say_at:
                    say_at = loop.time() + SAY_AGAIN_S
                    await self.calls.stop_unread(session)
                await asyncio.sleep(POLL_S)
        if waited:
            await self._check_still_welcome(user, claimed[0])
        return claimed

    async def _check_still_welcome(self, user: UserId, run: Run) -> None:
        """Who waited may have been shut out meanwhile, and so may everybody."""
        try:
            if self.replies.draining:
                raise ShuttingDown
            account = await self.reading.account(user)
            if account is None:
                raise TokenDead
            if account.banned:
                raise AccountBanned
        except BaseException:
            await self.replies.let_go(run)
            raise
