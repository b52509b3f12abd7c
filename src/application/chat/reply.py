"""A reply's life: asked → answering → complete | interrupted | failed. Pure: no I/O, no clock, no tasks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from application.chat import events
from application.chat.log import Log
from domain.conversation import MessageId, MessageState, SessionId, Source
from domain.errors import DomainError
from domain.text import storable


class ReplyState(StrEnum):
    ASKED = "asked"
    ANSWERING = "answering"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class AvatarState(StrEnum):
    """How the avatar is that speaks a reply."""

    LOST = "lost"
    RECOVERED = "recovered"


ENDED = frozenset({ReplyState.COMPLETE, ReplyState.INTERRUPTED, ReplyState.FAILED})
STORED_AS = {
    ReplyState.COMPLETE: MessageState.FINAL,
    ReplyState.INTERRUPTED: MessageState.INTERRUPTED,
    ReplyState.FAILED: MessageState.FAILED,
}


class ReplyHasEnded(Exception):
    """Nothing can be added to a reply that has ended."""


@dataclass(eq=False, slots=True)
class Reply:
    """A terminal event is written exactly once, whoever tries."""

    session: SessionId
    message: MessageId
    state: ReplyState = ReplyState.ASKED
    log: Log = field(init=False)
    failure: DomainError | None = None
    sources: list[dict[str, object]] | None = None
    withdrawn: bool = False  # its log shows a source that must not be shown any more
    _stored: str | None = None  # where that is not what was said
    _avatar: set[AvatarState] = field(default_factory=set)
    _half: str = ""  # the first half of a surrogate pair that a model sent in two pieces

    def __post_init__(self) -> None:
        self.log = Log(self.message)

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def text(self) -> str:
        """What was said so far."""
        return self.log.text

    def cite(self, cited: Sequence[Source]) -> None:
        """Say which passages the answer will rest on; once, before the first word."""
        if cited and self.state is ReplyState.ASKED and self.sources is None:
            self.sources = [source.told for source in cited]
            self.log.append(events.sources(cited))

    def withdraw(self, left: list[dict[str, object]] | None) -> None:
        """These are the sources that are left: what else it cites was deleted while it was generated."""
        self.withdrawn = self.withdrawn or left != self.sources
        self.sources = left

    def say(self, piece: str) -> None:
        if self.ended:
            raise ReplyHasEnded
        piece = self._whole(piece)
        if piece:
            self.state = ReplyState.ANSWERING
            for chunk in events.chunks(piece):
                self.log.append(chunk)

    def tell_avatar(self, state: AvatarState) -> None:
        """Once each, and not after the end."""
        if not self.ended and state not in self._avatar:
            self._avatar.add(state)
            self.log.append(events.avatar(state))

    def stored_as(self, text: str) -> None:
        """Another has stored it with this text, which counts from now on."""
        self._stored = text

    def complete(self) -> None:
        """It is said and stored."""
        self._end(ReplyState.COMPLETE, events.finished())

    def interrupt(self) -> None:
        """Somebody who may do so has stopped it; what was said is stored."""
        self._end(ReplyState.INTERRUPTED, events.finished())

    def fail(self, refusal: DomainError) -> None:
        """It cannot go on; what was said is kept."""
        if not self.ended:
            self.failure = refusal
        self._end(ReplyState.FAILED, events.error(refusal))

    def _end(self, state: ReplyState, farewell: bytes) -> None:
        if self.ended:
            return
        self.state = state
        interrupted = state is not ReplyState.COMPLETE
        self.log.append(farewell)
        text = self.text if self._stored is None else self._stored
        self.log.append(events.complete(self.session, self.message, text, interrupted=interrupted))

    def _whole(self, piece: str) -> str:
        """The piece as storable text; a surrogate pair split over two pieces is put together again."""
        piece, self._half = self._half + piece, ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        return storable(piece)
