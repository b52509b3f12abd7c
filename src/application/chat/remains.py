"""What is still to be told of a reply that is stored, when its events are gone or have no end. Pure."""

from collections.abc import Sequence

from application.chat import events
from application.ports.persistence import ReplyRecord
from domain.conversation import MessageId, MessageState, SessionId
from domain.errors import DomainError


def remains(
    message: MessageId, stored: ReplyRecord | None, session: SessionId, told: Sequence[bytes]
) -> list[bytes]:
    """The frames that follow the ones already `told`: the rest of the text and the end. Text that does not go
    on where they stopped is told by the last event alone, whose text is what counts. A reply that is gone
    ends as if it had been stopped."""
    said, _ = events.said(told)
    if stored is None:
        end = events.complete(session, message, said, interrupted=True)
        return events.frames(message, len(told), events.finished(), end)
    rest: list[bytes] = []
    if stored.content.startswith(said):
        rest = events.chunks(stored.content[len(said) :]) if len(said) < len(stored.content) else []
    return events.frames(message, len(told), *rest, *_end(message, stored))


def ending(message: MessageId, stored: ReplyRecord, after: int) -> list[bytes]:
    """The end alone, for a reader whose place in the text nobody knows any more."""
    return events.frames(message, after, *_end(message, stored))


def _end(message: MessageId, stored: ReplyRecord) -> list[bytes]:
    interrupted = stored.state is not MessageState.FINAL
    farewell = events.error(DomainError()) if stored.state is MessageState.FAILED else events.finished()
    end = events.complete(stored.session, message, stored.content, interrupted=interrupted)
    return [farewell, end]
