"""Chat sessions and their messages."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from domain.errors import Conflict, Invalid, InvalidField, MissingField, NotFound
from domain.text import require_storable
from domain.user import UserId

SessionId = NewType("SessionId", int)
MessageId = NewType("MessageId", int)
MemoryId = NewType("MemoryId", int)  # the LLM service's permanent memory key, never used twice

TITLE_MAX = 120
TITLE_FROM_MESSAGE = 50


class Speaker(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


class MessageState(StrEnum):
    """A message is `streaming` until its reply has ended in one of the other three."""

    STREAMING = "streaming"
    FINAL = "final"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class SessionNotFound(NotFound):
    msg = "Session not found"


class MessageNotFound(NotFound):
    msg = "Message not found"


class ReplyInProgress(Conflict):
    code = "reply_in_progress"
    msg = "A reply is already being generated in this session"


class MessageTooLong(Invalid):
    code = "invalid_field"


@dataclass(eq=False, kw_only=True)
class ChatSession:
    """One conversation of one student; its memory key and its id outlive it and are never given again."""

    id: SessionId = field(init=False)
    memory: MemoryId
    owner: UserId
    title: str
    created_at: datetime
    updated_at: datetime
    is_favorite: bool = False
    message_count: int = 0  # what is visible of the current branch
    memory_is_fresh: bool = False  # nothing was heard under the key yet although there were turns
    summary: str | None = None  # of the current branch, up to and with the message `summary_upto`
    summary_upto: MessageId | None = None
    heard: str | None = None  # the last words of the newest answer that the student let the avatar say

    def check_owner(self, user: UserId) -> None:
        if self.owner != user:
            raise SessionNotFound


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that went into a prompt, as the client may show it. `n` is its mark `[n]` in the text."""

    n: int
    filename: str
    page: int | None
    score: float | None
    snippet: str  # at most 200 characters
    file_id: int | None = None  # None: of a file that we do not have

    @property
    def told(self) -> dict[str, object]:
        """As readers are told, and as it is stored."""
        told = asdict(self)
        if self.file_id is None:
            del told["file_id"]
        return told


@dataclass(eq=False, kw_only=True)
class Message:
    """Something that was said. Nothing is overwritten: a question that is edited and an answer that is
    generated again become new messages, versions of the first one. A session's current branch is what no
    other message has superseded."""

    id: MessageId = field(init=False)
    session_id: SessionId
    speaker: Speaker
    content: str | None
    state: MessageState = MessageState.FINAL
    created_at: datetime
    file_type: str | None = None
    file_path: str | None = None
    file_id: int | None = None
    sources: list[dict[str, object]] | None = None
    version_of: MessageId | None = None  # the first version; None: it is the first itself
    superseded_by: MessageId | None = None
    spoken_upto: int | None = None  # characters that an avatar took to say; that were heard, where one cut in

    @property
    def root(self) -> MessageId:
        """The first version of what this is a version of."""
        return self.version_of or self.id

    @property
    def visible(self) -> bool:
        """What somebody asked always is; an answer once it has ended with some text."""
        if self.speaker is Speaker.USER:
            return True
        return self.state is not MessageState.STREAMING and bool(self.content)


MAX_ID = 2**63 - 1
_UNSENT = frozenset({"", "null", "undefined"})


def id_of(text: str | None, msg: str) -> int | None:
    """An id as forms and queries carry it: absent when unsent, InvalidField(msg) when it is none."""
    digits = (text or "").strip()
    if digits in _UNSENT:
        return None
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19 or not 0 < int(digits) <= MAX_ID:
        raise InvalidField(msg)
    return int(digits)


def acceptable_question(text: str | None, max_chars: int) -> str:
    """What was asked, trimmed and otherwise as typed; blank, overlong and unstorable text is refused."""
    text = (text or "").strip()
    if not text:
        raise MissingField("Message is required")
    if len(text) > max_chars:
        raise MessageTooLong(f"Message is too long (max {max_chars} characters)")
    return require_storable(text)


def acceptable_title(text: object) -> str:
    """A session's title, cut to 120 characters; anything but storable text is refused."""
    if not isinstance(text, str):
        raise InvalidField("Invalid title")
    return require_storable(text, "Invalid title").strip()[:TITLE_MAX] or "Untitled"


def title_of_question(question: str) -> str:
    return question[:TITLE_FROM_MESSAGE]
