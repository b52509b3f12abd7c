"""Valid by default: say only what matters."""

from datetime import datetime, timedelta
from itertools import count

from application.ports.persistence import Work
from domain.conversation import ChatSession, MemoryId, Message, MessageState, SessionId, Speaker
from domain.document import FileId, FileKind, Hit, IndexState, Passage, StoredFile
from domain.user import Role, Status, User, UserId, new_user
from tests.fakes.clock import START

ANN = UserId(1)
_numbers = count(1)


def a_user(
    email: str = "ann@example.org",
    password_hash: str = "2$0$correct horse battery",
    role: Role = Role.STUDENT,
    status: Status = Status.INACTIVE,
    now: datetime = START,
) -> User:
    user = new_user(email, password_hash, role, now)
    user.status = status
    return user


def a_session(
    owner: UserId = ANN, memory: int = 1, title: str = "Biology", now: datetime = START
) -> ChatSession:
    return ChatSession(memory=MemoryId(memory), owner=owner, title=title, created_at=now, updated_at=now)


async def a_stored_session(
    w: Work, owner: UserId, title: str = "Biology", now: datetime = START
) -> ChatSession:
    """Flushed, so that it has an id."""
    session = a_session(owner, await w.sessions.new_memory(), title, now)
    w.sessions.add(session)
    await w.flush()
    return session


def a_message(
    session: SessionId,
    content: str | None = "What is osmosis?",
    speaker: Speaker = Speaker.USER,
    state: MessageState = MessageState.FINAL,
    now: datetime = START,
) -> Message:
    return Message(session_id=session, speaker=speaker, content=content, state=state, created_at=now)


def an_open_reply(session: SessionId, now: datetime = START) -> Message:
    return a_message(session, "", Speaker.ASSISTANT, MessageState.STREAMING, now)


def a_file(
    owner: UserId | None = ANN,
    name: str = "notes.txt",
    *,
    stored_name: str | None = None,
    index_name: str | None = None,
    kind: FileKind = FileKind.DOCUMENT,
    rag_status: IndexState | None = None,
    public: bool = False,
    session: SessionId | None = None,
    deleted: bool = False,
) -> StoredFile:
    n = next(_numbers)
    return StoredFile(
        user_id=owner,
        public=public,
        session_id=session,
        original_name=name,
        stored_name=stored_name or f"{n}_{name}",
        disk_name=f"{n:032x}",
        kind=kind,
        mime="text/plain",
        size=12,
        sha256="0" * 64,
        index_name=index_name,
        rag_status=rag_status,
        created_at=START,
        deleted_at=START + timedelta(hours=1) if deleted else None,
    )


def a_passage(
    file: FileId,
    text: str,
    owner: UserId | None = ANN,
    ordinal: int = 0,
    page: int | None = 1,
    heading: str = "",
) -> Passage:
    return Passage(
        file_id=file,
        owner=owner,
        ordinal=ordinal,
        page=page,
        start=0,
        end=len(text),
        heading=heading,
        text=text,
    )


def a_hit(text: str, filename: str = "notes.txt", page: int | None = 1, similarity: float = 0.8) -> Hit:
    return Hit(filename=filename, page=page, text=text, score=similarity, similarity=similarity)
