from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from application.chat.sessions import opened_session, owned_session
from application.files.await_index import AwaitIndex
from application.files.check_incoming import CheckIncoming, Incoming
from application.files.keep_file import KeepFile
from application.ports.persistence import Work, WorkFactory
from domain.conversation import Message, MessageId, SessionId, Speaker, id_of
from domain.document import StoredFile
from domain.errors import MissingField
from domain.user import UserId

TITLE_NAME = 30


@dataclass(frozen=True, slots=True)
class Uploaded:
    file: StoredFile
    session: SessionId
    message: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFile:
    """A file joins a chat session. Nothing is made before every check has passed; documents are indexed
    by a job, and its failure never fails the upload."""

    work: WorkFactory
    check_incoming: CheckIncoming
    keep_file: KeepFile
    await_index: AwaitIndex

    def welcome(self, name: str) -> Callable[[int], None]:
        """Refuses a file that is still coming, as it would be refused in the end: for its name at once, for
        its size as soon as that is known to be too large."""
        return self.check_incoming.named(name).require_size

    async def __call__(self, user: UserId, incoming: Incoming | None, session_id: str | None) -> Uploaded:
        if incoming is None:
            raise MissingField("No file part in the request")
        checked = await self.check_incoming(user, incoming)
        session = SessionId(known) if (known := id_of(session_id, "Invalid session_id")) else None
        if session is not None:
            async with self.work() as w:
                await owned_session(w, user, session)
        file, message = await self.keep_file(checked, user, partial(_said, user, session))
        await self.await_index(file)
        return Uploaded(file, message.session_id, message.id)


async def _said(user: UserId, id: SessionId | None, w: Work, file: StoredFile) -> Message:
    """That the file came is a message of the user's in the session; in a new one where `id` is None."""
    now = file.created_at
    if id is None:
        session = await opened_session(w, user, f"File: {file.original_name[:TITLE_NAME]}", now)
    else:
        session = await owned_session(w, user, id)
    file.session_id = session.id
    w.files.add(file)
    await w.flush()
    message = Message(
        session_id=session.id,
        speaker=Speaker.USER,
        content=f"Uploaded {file.kind}: {file.original_name}",
        file_type=file.kind,
        file_path=file.path,
        file_id=file.id,
        created_at=now,
    )
    w.messages.add(message)
    await w.flush()
    file.message_id = message.id
    await w.sessions.count_message(session.id, now)
    return message
