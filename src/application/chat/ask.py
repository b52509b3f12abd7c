import asyncio
from dataclasses import dataclass
from datetime import timedelta

from application.chat.engine import Question, Replies
from application.chat.running import RunningReply
from application.chat.sessions import opened_session, owned_session
from application.chat.settle import SettleReply
from application.ports.clock import Clock
from application.ports.persistence import Work, WorkFactory
from application.ports.replies import Run, Runs, SessionBusy
from application.ports.throttle import Limit, Throttle
from domain.conversation import (
    ChatSession,
    Message,
    MessageId,
    MessageState,
    ReplyInProgress,
    SessionId,
    Speaker,
    acceptable_question,
    title_of_question,
)
from domain.errors import RateLimited, ShuttingDown
from domain.user import UserId

WAIT_FOR_TURN_S, POLL_S = 10.0, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A student asks. The question is stored before anybody is asked for the answer; the answer is then
    generated whether or not somebody listens."""

    work: WorkFactory
    runs: Runs
    replies: Replies
    settle: SettleReply
    throttle: Throttle
    clock: Clock
    max_chars: int
    per_minute: int  # 0 = no limit
    wait_s: float = WAIT_FOR_TURN_S

    async def __call__(
        self, user: UserId, text: str | None, session: SessionId | None, use_documents: bool | None
    ) -> RunningReply:
        """The reply to follow. With no session a new one is opened, titled after the question."""
        text = acceptable_question(text, self.max_chars)
        if self.replies.draining:
            raise ShuttingDown
        if session is not None:
            await self._check_owner(user, session)
        await self._count(user)
        if session is None:
            question, message = await self._store_in_new_session(user, text, use_documents)
            run, _ = await self.runs.claim(question.session)
            return await self._begin(run, question, message)
        run, abandoned = await self._turn(session)
        try:
            if abandoned is not None and abandoned.message is not None:
                await self.settle(session, abandoned.message)
            question, message = await self._store(user, session, text, use_documents)
        except BaseException:
            await self.replies.let_go(run)
            raise
        return await self._begin(run, question, message)

    async def _begin(self, run: Run, question: Question, message: MessageId) -> RunningReply:
        """A question that is stored but cannot be answered now is settled like one whose worker died."""
        try:
            return self.replies.start(question, message, await self.runs.bind(run, message))
        except BaseException:
            await self.replies.let_go(run)
            raise

    async def _check_owner(self, user: UserId, session: SessionId) -> None:
        async with self.work() as w:
            await owned_session(w, user, session)

    async def _count(self, user: UserId) -> None:
        limit = Limit("chat", self.per_minute, timedelta(minutes=1))
        if wait := await self.throttle.take(limit, str(user)):
            raise RateLimited(retry_after=wait)

    async def _turn(self, session: SessionId) -> tuple[Run, Run | None]:
        """Our turn in the session: at once, or when the running reply has ended; a reply that nobody reads
        is stopped. The second value is the run of a dead worker, whose reply is ours to settle."""
        deadline = asyncio.get_running_loop().time() + self.wait_s
        while True:
            try:
                return await self.runs.claim(session)
            except SessionBusy as busy:
                if asyncio.get_running_loop().time() > deadline:
                    raise ReplyInProgress from busy
            ours = self.replies.of_session(session)
            if ours is not None and ours.readers == 0:
                ours.stop()
            await asyncio.sleep(POLL_S)

    async def _store_in_new_session(
        self, user: UserId, text: str, use_documents: bool | None
    ) -> tuple[Question, MessageId]:
        now = self.clock.now()
        async with self.work() as w:
            session = await opened_session(w, user, title_of_question(text), now)
            return await self._add_messages(w, session, text, use_documents)

    async def _store(
        self, user: UserId, session: SessionId, text: str, use_documents: bool | None
    ) -> tuple[Question, MessageId]:
        async with self.work() as w:
            return await self._add_messages(w, await owned_session(w, user, session), text, use_documents)

    async def _add_messages(
        self, w: Work, session: ChatSession, text: str, use_documents: bool | None
    ) -> tuple[Question, MessageId]:
        """The question, and the row its answer will fill; committed."""
        now = self.clock.now()
        asked = Message(session_id=session.id, speaker=Speaker.USER, content=text, created_at=now)
        w.messages.add(asked)
        await w.flush()  # so that the question's id comes before the answer's
        answer = Message(
            session_id=session.id,
            speaker=Speaker.ASSISTANT,
            content="",
            state=MessageState.STREAMING,
            created_at=now,
        )
        w.messages.add(answer)
        await w.sessions.count_message(session.id, now)
        await w.commit()
        question = Question(
            user=session.owner,
            session=session.id,
            memory=session.memory,
            text=text,
            use_documents=use_documents,
        )
        return question, answer.id
