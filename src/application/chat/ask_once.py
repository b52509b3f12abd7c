import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from application.chat.ask import Ask, Asked
from application.chat.engine import Question
from application.chat.follow import FollowReply, Place
from application.chat.running import RunningReply
from application.ports.idempotency import IdempotencyKeys, KeptAsk
from application.ports.persistence import Reading
from domain.conversation import MessageState, ReplyInProgress, SessionNotFound, acceptable_question
from domain.errors import InvalidField, StorageUnavailable, Unprocessable
from domain.user import UserId

KEY_MAX = 128
WAIT_S, POLL_S = 10.0, 0.05


class KeyReused(Unprocessable):
    code = "idempotency_mismatch"
    msg = "Idempotency key was used for a different request"


def acceptable_key(key: str | None) -> str | None:
    """1 to 128 printable ASCII characters; None where none was sent."""
    if key is None or not key:
        return None
    if len(key) > KEY_MAX or not key.isascii() or not key.isprintable():
        raise InvalidField("Invalid Idempotency-Key")
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOnce:
    """Ask under a key that the client chose: asking again follows the same reply, and only a reply that ended
    without a word is begun anew, for the question as it was stored. Without a key every time is the first."""

    ask: Ask
    follow: FollowReply
    keys: IdempotencyKeys
    reading: Reading
    wait_s: float = WAIT_S

    @asynccontextmanager
    async def __call__(self, asked: Asked, key: str | None) -> AsyncIterator[Place]:
        """The reply's feed as long as the context lasts. Raises KeyReused, MessageNotFound (the
        question is not the last one any more), and what Ask raises."""
        if key is None:
            yield Place((await self.ask(asked)).feed, 0)
            return
        found = await self._asked(asked, key)
        if isinstance(found, RunningReply):
            yield Place(found.feed, 0)
            return
        if found.answer is None:
            raise SessionNotFound
        async with self.follow(asked.user, found.answer, None) as place:
            yield place

    async def _asked(self, asked: Asked, key: str) -> RunningReply | KeptAsk:
        """The reply that was begun now, or what was asked under the key before."""
        fingerprint = self._fingerprint(asked)
        deadline = asyncio.get_running_loop().time() + self.wait_s
        while True:
            earlier = await self.keys.claim(asked.user, key, fingerprint)
            if earlier is None:
                return await self._first(asked, key, fingerprint)
            if earlier.fingerprint != fingerprint:
                raise KeyReused
            if earlier.answer is not None:
                if not await self._is_to_be_repeated(asked.user, earlier):
                    return earlier
                if await self.keys.reclaim(asked.user, key, earlier):
                    return await self._again(asked, key, earlier)
            if asyncio.get_running_loop().time() > deadline:
                raise ReplyInProgress
            await asyncio.sleep(POLL_S)

    async def _first(self, asked: Asked, key: str, fingerprint: str) -> RunningReply:
        kept = False

        async def keep(question: Question) -> None:
            nonlocal kept
            await self.keys.keep(asked.user, key, _kept(fingerprint, question))
            kept = True

        try:
            return await self.ask(asked, keep)
        except BaseException:
            if not kept:
                with suppress(StorageUnavailable):  # it frees itself
                    await self.keys.let_go(asked.user, key)
            raise

    async def _again(self, asked: Asked, key: str, earlier: KeptAsk) -> RunningReply:
        async def keep(question: Question) -> None:
            await self.keys.keep(asked.user, key, _kept(earlier.fingerprint, question))

        if earlier.session is None or earlier.question is None:
            raise SessionNotFound
        try:
            return await self.ask.again(asked, earlier.session, earlier.question, keep)
        except BaseException:
            with suppress(StorageUnavailable):
                await self.keys.keep(asked.user, key, earlier)
            raise

    async def _is_to_be_repeated(self, user: UserId, earlier: KeptAsk) -> bool:
        if earlier.answer is None:
            return False
        reply = await self.reading.reply(user, earlier.answer)
        if reply is None or reply.content:
            return False
        return reply.state in (MessageState.FAILED, MessageState.INTERRUPTED)

    def _fingerprint(self, asked: Asked) -> str:
        text = acceptable_question(asked.text, self.ask.max_chars)
        told = repr((text, asked.session, asked.use_documents, asked.goes_on))
        return hashlib.sha256(told.encode()).hexdigest()


def _kept(fingerprint: str, question: Question) -> KeptAsk:
    return KeptAsk(fingerprint, question.session, question.message, question.answer)
