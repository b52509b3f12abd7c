"""What the database keeps. Everything here happens inside a unit of work and counts only once committed."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from domain.conversation import (
    ChatSession,
    MemoryId,
    Message,
    MessageId,
    MessageState,
    SessionId,
    Speaker,
)
from domain.document import FileId, FileKind, IndexState, StoredFile, Usage
from domain.export import Export, ExportId
from domain.job import Job, JobId, JobKind, JobState
from domain.tutor_request import TutorRequest, TutorRequestId
from domain.user import Role, User, UserId


class Users(Protocol):
    """Deleted accounts that wait for their erasure are found by `buried` alone."""

    def add(self, user: User) -> None: ...

    async def get(self, id: UserId) -> User | None:
        """The account, held until the unit of work ends: nobody else changes it meanwhile."""
        ...

    async def bare(self, id: UserId) -> User | None:
        """The account held like by `get`, without its profile: for what happens at every login."""
        ...

    async def by_email(self, email: str) -> User | None:
        """The account of a normalised address."""
        ...

    async def with_role(self, role: Role) -> Sequence[User]: ...

    async def mark_absent(self, ids: Sequence[UserId], before: datetime) -> int:
        """Of these accounts, those that are active and whose last login was before that moment are inactive
        now; how many."""
        ...

    async def hold_admins(self) -> set[UserId]:
        """The admins who may sign in, all held until the unit of work ends. Hold them before any single
        account: who counts them to let one go must not meet another who does the same."""
        ...

    async def forget_rows(self, id: UserId, now: datetime) -> Mapping[str, int]:
        """Delete what the account has in the database alone: chat sessions with their messages,
        notifications, tutor requests, the profile, what the LLM service noted; how many of each. Its personal
        files get a tombstone."""
        ...

    async def buried(self, id: UserId) -> User | None:
        """A deleted account whose row is still there. Until the unit of work ends nothing new can come to
        belong to it."""
        ...

    async def remove(self, id: UserId) -> None:
        """The row of a deleted account goes. Its number is never given again."""
        ...


class Sessions(Protocol):
    async def new_memory(self) -> MemoryId:
        """A memory key that was never used and never will be again."""
        ...

    def add(self, session: ChatSession) -> None: ...

    async def get(self, id: SessionId) -> ChatSession | None: ...

    async def hold(self, id: SessionId) -> ChatSession | None:
        """The session, held until the unit of work ends: meanwhile nothing new comes to belong to it, and
        nobody else changes or deletes it."""
        ...

    async def renew_memory(self, id: SessionId, memory: MemoryId) -> None:
        """From now on the session is remembered under this key, under which nothing was heard yet."""
        ...

    async def heard(self, id: SessionId) -> None:
        """What is remembered under the session's key is its conversation."""
        ...

    async def remove(self, id: SessionId) -> None:
        """The session goes with its messages and whatever was noted for finding them. Its number and its
        memory key are never given again."""
        ...

    async def newest_of(self, owner: UserId, since: datetime) -> ChatSession | None:
        """The session the owner used last, if that was after `since`."""
        ...

    async def is_idle(self, id: SessionId, before: datetime) -> bool:
        """Whether the session was last used before that moment and no reply is being written in it; asked of
        a held one it stays so."""
        ...

    async def count_message(self, id: SessionId, now: datetime, n: int = 1) -> None:
        """`message_count` += n and `updated_at` = now, in one statement: no update is lost."""
        ...


@dataclass(frozen=True, slots=True)
class Settled:
    """A reply was completed. `appeared`: by how many messages its branch has visibly grown: none where it has
    no text, and none where it took the place of an older version."""

    appeared: int


class Messages(Protocol):
    def add(self, message: Message) -> None:
        """Ids grow in the order of adding."""
        ...

    async def get(self, id: MessageId) -> Message | None: ...

    async def last_exchange(self, session: SessionId) -> tuple[Message, Message | None] | None:
        """The last question of the current branch and the answer to it that can be seen; None where nothing
        was asked yet. That a file came is no question."""
        ...

    async def supersede_from(self, first: MessageId, by: MessageId) -> int:
        """Everything of the current branch from `first` on, except `by`, is superseded by `by`; how many of
        them could be seen. A summary that tells of them is forgotten."""
        ...

    async def replies_in(self, session: SessionId) -> Sequence[MessageId]:
        """The session's replies, of all branches, in whatever state."""
        ...

    async def settle(
        self,
        id: MessageId,
        state: MessageState,
        content: str,
        sources: list[dict[str, object]] | None,
    ) -> Settled | None:
        """Complete a message that is still `streaming`; None when somebody else already did. With some text
        it supersedes the older versions of itself; a summary that tells of those is forgotten."""
        ...

    async def withdraw(self, id: MessageId, file: StoredFile) -> None:
        """The file is among the message's sources no more."""
        ...

    async def detach(self, file: FileId) -> None:
        """The message that brought the file stays without it; that it is no question stays known."""
        ...

    async def spoken(self, id: MessageId, upto: int, *, cut: bool = False) -> None:
        """An avatar was given so many characters of the reply; what is known already stays. `cut`: the
        student cut in and has heard no more than that; the session remembers the last words of it."""
        ...

    async def replies_of(
        self, owner: UserId, since: datetime, most: int
    ) -> Sequence[tuple[SessionId, MessageId]]:
        """The replies to the owner that were begun after `since`, newest first."""
        ...


class Files(Protocol):
    def add(self, file: StoredFile) -> None: ...

    async def get(self, id: FileId) -> StoredFile | None: ...

    async def hold(self, id: FileId) -> StoredFile | None:
        """The file, unless it is deleted, held until the unit of work ends."""
        ...

    async def by_name(self, name: str, owner: UserId | None) -> StoredFile | None:
        """Likewise, among the owner's personal files; among the public ones where `owner` is None. By its
        stored name, else by its original one (the newest), else by its index name."""
        ...

    async def beginning_with(self, start: str, owner: UserId | None) -> Sequence[StoredFile]:
        """Likewise, those whose original names begin so; at most two of them."""
        ...

    async def usage(self, owner: UserId) -> Usage:
        """What the owner keeps, public documents included; deleted files do not count. Who else asks waits
        until this unit of work has ended, so that two never take the same room."""
        ...

    async def stored_names_like(self, owner: UserId, stored_name: str) -> set[str]:
        """The owner's stored names that equal `stored_name` or are numbered variants of it. Who else asks
        waits until this unit of work has ended, so that two never choose the same name."""
        ...

    async def index_names_like(self, owner: UserId, index_name: str, *, public: bool = False) -> set[str]:
        """Likewise for index names of documents that are not erased yet. For a `public` document those of all
        public ones count as well: they share one base."""
        ...

    async def mark_indexed(
        self,
        id: FileId,
        status: IndexState,
        error: str | None = None,
        report: dict[str, object] | None = None,
    ) -> None: ...

    async def of_session(self, session: SessionId) -> Sequence[StoredFile]:
        """The personal files that belong to the session and are not deleted yet."""
        ...

    async def living(self, ids: Collection[FileId]) -> set[FileId]:
        """Those of these files that are not deleted; and nobody deletes them until the unit of work ends."""
        ...

    async def personal_of(self, owner: UserId) -> Sequence[StoredFile]:
        """Every personal file of the owner's, also those with a tombstone."""
        ...

    async def remove(self, id: FileId) -> None:
        """The row goes, with its passages."""
        ...


class Notifications(Protocol):
    async def add(self, user: UserId, title: str, message: str, type: str, now: datetime) -> None:
        """`type` is one of info, success, warning, error."""
        ...

    async def mark_read(self, user: UserId, id: int) -> bool:
        """False when the user has no such notification."""
        ...


class Actor(Protocol):
    """Who did something: a user, or the house itself."""

    @property
    def email(self) -> str: ...

    @property
    def role(self) -> str: ...


@dataclass(frozen=True, slots=True)
class System:
    """Nobody in particular: the house's own work."""

    email: str = "system"
    role: str = "system"


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody as the log names him, also when he is gone."""

    id: UserId
    email: str


class ActionLog(Protocol):
    async def record(
        self,
        operator: Actor,
        action: str,
        target: User | Target,
        now: datetime,
        details: dict[str, object] | None = None,
        reason: str | None = None,
    ) -> None:
        """Append one line: who did what to whom. It outlives both, and is chained to the line before when the
        unit of work commits, so that no line can be changed, removed or put in between unnoticed."""
        ...

    async def expire(self, before: datetime, most: int) -> int:
        """The oldest lines go, at most so many, up to the first that was not written before that moment; the
        last line always stays. It is noted where the chain goes on. How many went."""
        ...


class TutorRequests(Protocol):
    def add(self, request: TutorRequest) -> None: ...

    async def get(self, id: TutorRequestId) -> TutorRequest | None:
        """The request, held until the unit of work ends."""
        ...

    async def requester(self, id: TutorRequestId) -> UserId | None:
        """Whose request it is; holds nothing. Hold him before his request, as whoever changes him does."""
        ...

    async def pending_of(self, user: UserId) -> TutorRequest | None: ...

    async def rename_decider(self, old: str, new: str | None) -> None:
        """Who decided under the address `old` has this one now, or none: he is gone."""
        ...


class Exports(Protocol):
    def add(self, export: Export) -> None: ...

    async def get(self, id: ExportId) -> Export | None:
        """The export, held until the unit of work ends."""
        ...

    async def of(self, user: UserId) -> Sequence[Export]:
        """All of the user's, newest first."""
        ...

    async def remove(self, id: ExportId) -> None: ...


class Jobs(Protocol):
    async def add(
        self,
        kind: JobKind,
        payload: dict[str, object],
        dedup_key: str,
        run_at: datetime,
        owner: UserId | None = None,
    ) -> None:
        """Work to do once this transaction is committed, not before `run_at`; one unfinished job per
        `dedup_key`. `owner`: for whom it is, where that should take its turn with the work of others."""
        ...

    async def amend(self, dedup_key: str, payload: dict[str, object]) -> None:
        """Another payload for the unfinished job: what its next try should know."""
        ...

    async def cancel(self, dedup_key: str, now: datetime) -> bool:
        """The unfinished job is not begun any more. False while somebody may still be working on it: he has
        not noticed yet, or it was just being ended."""
        ...

    async def hasten(self, dedup_key: str, run_at: datetime) -> None:
        """The job that waits for its time is due at `run_at`, unless it is earlier anyway."""
        ...

    async def is_unfinished(self, dedup_key: str) -> bool: ...

    async def went_wrong(self, dedup_key: str) -> bool:
        """Whether some try at such a job has failed, was lost or was cancelled: what it had asked of others
        they may still do."""
        ...

    async def is_held(self, job: Job) -> bool:
        """Whether the claim still stands: the job was not cancelled, nor taken over by somebody else. If so,
        it does until the unit of work ends."""
        ...

    async def progress(self, job: Job, percent: int) -> None:
        """How far it is, if the claim still stands."""
        ...

    async def finish(self, job: Job) -> bool:
        """Done, together with all else in this unit of work; as `JobQueue.finish`. False when the claim does
        not stand any more."""
        ...


class Work(Protocol):
    """One unit of work: short, on one connection. Leaving it without `commit` undoes everything."""

    users: Users
    sessions: Sessions
    messages: Messages
    files: Files
    notifications: Notifications
    log: ActionLog
    tutor_requests: TutorRequests
    exports: Exports
    jobs: Jobs

    async def flush(self) -> None:
        """Send what was added, so that ids are known. Raises the refusal of a broken constraint."""
        ...

    async def commit(self) -> None:
        """Make it durable. Raises the refusal of a broken constraint (for example EmailTaken)."""
        ...


class WorkFactory(Protocol):
    """Opens units of work. Raises StorageUnavailable when the database cannot be reached or is locked."""

    def __call__(self) -> AbstractAsyncContextManager[Work]: ...


class JobQueue(Protocol):
    """The worker's side of the `job` table. Each call is its own short transaction."""

    async def claim(
        self,
        holder: str,
        now: datetime,
        lease: timedelta,
        kinds: Collection[JobKind] = tuple(JobKind),
        at_once: int | None = None,
    ) -> Job | None:
        """The next due job of these kinds, ours for the lease; also one whose holder let its lease lapse. Its
        owner's other jobs go to the end of the line: owners take turns, however much one of them wants.
        `at_once`: nothing of an owner for whom so many of these kinds are being done."""
        ...

    async def renew(self, job: JobId, holder: str, lease_until: datetime) -> bool:
        """False when the lease was lost or the job was cancelled: stop working on it."""
        ...

    async def finish(self, job: JobId, holder: str) -> None:
        """Done. What it had to know is forgotten: it may have been about somebody. One that was cancelled in
        the meantime is let go, here and by `fail`."""
        ...

    async def let_go(self, job: JobId, holder: str) -> None:
        """The job was cancelled, and we are at it no more: nobody has to wait for the lease to lapse."""
        ...

    async def fail(self, job: JobId, holder: str, error: str, retry_at: datetime | None) -> None:
        """Due again at `retry_at`; finally failed when it is None."""
        ...

    async def spare(self, kind: JobKind, now: datetime) -> None:
        """The jobs of this kind that are due and not begun are done: the one that is just being begun does
        what they are for too."""
        ...

    async def forget_settled(self, before: datetime, most: int) -> int:
        """Of the jobs that are done, failed or cancelled, and that were last due before that moment, at most
        so many leave no trace; how many did."""
        ...


@dataclass(frozen=True, slots=True)
class SessionLine:
    id: SessionId
    title: str
    created_at: datetime
    updated_at: datetime
    message_count: int
    is_favorite: bool


@dataclass(frozen=True, slots=True)
class IdleSession:
    """One that nobody has used since."""

    id: SessionId
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class MessageLine:
    id: MessageId
    role: str
    content: str | None
    created_at: datetime
    file_type: str | None
    file_path: str | None
    file_id: FileId | None
    interrupted: bool
    sources: list[dict[str, object]] | None


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version of a message; `thread` is what followed it until it was superseded, oldest first."""

    line: MessageLine
    current: bool
    thread: Sequence[MessageLine]


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A message in which something was found."""

    session: SessionId
    session_title: str
    message: MessageId
    role: str
    content: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was said, by number."""

    id: MessageId
    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """What was said before a message. `summary`, where there is one, tells the branch from its beginning up
    to and with the message `summary_upto`."""

    turns: Sequence[Told] = ()  # the last ones, oldest first
    summary: str | None = None
    summary_upto: MessageId | None = None


@dataclass(frozen=True, slots=True)
class ReplyRecord:
    """A reply as it is stored; `content` is empty while it is `streaming`."""

    session: SessionId
    state: MessageState
    content: str
    sources: list[dict[str, object]] | None


@dataclass(frozen=True, slots=True)
class FileLine:
    message_id: MessageId | None
    file_id: FileId
    filename: str
    file_type: str
    file_path: str
    content: str | None
    created_at: datetime
    session_id: SessionId | None
    size: int
    rag_status: str | None
    disk_name: str


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as it is handed out."""

    name: str
    disk_name: str
    kind: FileKind
    mime: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FileProgress:
    """How it stands with a file. `rag_status` is None where there is nothing to index. `job` is the state of
    the unfinished job that indexes it; `progress` in per cent, once that has told."""

    id: FileId
    name: str
    rag_status: IndexState | None
    rag_error: str | None
    job: JobState | None = None
    progress: int | None = None


@dataclass(frozen=True, slots=True)
class KnownFile:
    """One of our files, and how somebody else's index knows it. A deleted one's text must not be shown any
    more."""

    index_name: str
    public: bool
    id: FileId
    original_name: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Citing:
    """A reply that shows passages of a file."""

    message: MessageId
    session: SessionId


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    total: int
    items: Sequence[T]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The indexed documents within a reader's reach."""

    in_session: Sequence[str]  # original names of those that belong to the session
    any: bool  # whether there is one at all, his own or public


@dataclass(frozen=True, slots=True)
class Account:
    id: UserId
    email: str
    role: Role
    banned: bool
    tokens_from: datetime | None = None  # tokens of logins before this moment open nothing

    def revoked(self, auth_time: datetime) -> bool:
        """Whether the tokens of a login at that moment open nothing any more."""
        return self.tokens_from is not None and auth_time < self.tokens_from


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login is checked against."""

    id: UserId
    password_hash: str
    banned: bool


@dataclass(frozen=True, slots=True)
class ProfileCard:
    """What a user shows of himself."""

    id: UserId
    email: str
    username: str
    full_name: str
    avatar_url: str
    bio: str
    phone: str
    role: Role


@dataclass(frozen=True, slots=True)
class NotificationLine:
    id: int
    title: str
    message: str
    type: str
    is_read: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Inbox:
    """A page of notifications, and how many there are in all."""

    total: int
    unread: int
    items: Sequence[NotificationLine]


class Reading(Protocol):
    """Lists for screens, straight from the database; nothing here is ever changed or saved."""

    async def account(self, id: UserId) -> Account | None:
        """Role, ban and revocation in one query, for the guard of every request; None also for a deleted
        account."""
        ...

    async def credentials(self, email: str) -> Credentials | None:
        """Of the account of a normalised address, in one light query: who measures how long it takes does
        not learn whether there is one."""
        ...

    async def is_known(self, email: str) -> bool:
        """Whether a normalised address has an account; as light."""
        ...

    async def profile(self, id: UserId) -> ProfileCard | None:
        """In one query; None for an account without a profile, and for none."""
        ...

    async def inbox(self, owner: UserId, limit: int, offset: int, *, unread_only: bool) -> Inbox:
        """The owner's notifications, newest first, in one query. `total` counts what is asked for, `unread`
        all that are unread."""
        ...

    async def active(self, before: datetime) -> Sequence[UserId]:
        """The accounts that count as active and whose last login was before that moment."""
        ...

    async def history(self, owner: UserId, limit: int, offset: int) -> Listed[SessionLine]:
        """The owner's sessions, last used first."""
        ...

    async def idle_sessions(
        self, before: datetime, most: int, after: IdleSession | None = None
    ) -> Sequence[IdleSession]:
        """Everybody's sessions of which `Sessions.is_idle` holds, longest ago first; those behind `after`."""
        ...

    async def messages(
        self, owner: UserId, session: SessionId, limit: int, before: MessageId | None
    ) -> Sequence[MessageLine] | None:
        """The last `limit` visible messages of the current branch (before an id), oldest first; None when the
        session is not the owner's. A reply is visible once it has ended with some text."""
        ...

    async def streaming(self) -> Sequence[tuple[SessionId, MessageId]]:
        """The replies nobody has completed yet, of all workers."""
        ...

    async def owns(self, owner: UserId, session: SessionId) -> bool:
        """Whether the session is the owner's."""
        ...

    async def turns(self, session: SessionId, before: MessageId | None, most: int) -> Context:
        """The last `most` visible texts of the current branch, before a message if one is given; that a file
        came is no text."""
        ...

    async def versions(self, owner: UserId, message: MessageId) -> Sequence[VersionLine] | None:
        """Every visible version of this message, oldest first; None when it is not the owner's."""
        ...

    async def reply(self, owner: UserId, message: MessageId) -> ReplyRecord | None:
        """A reply to the owner, also one that cannot be seen (yet); None when there is none."""
        ...

    async def search(
        self, owner: UserId, wanted: Sequence[str], limit: int, offset: int
    ) -> Listed[FoundLine]:
        """The visible messages of the owner's current branches that have, for each of the words
        (`domain.words.words`), one that begins with it, or for a single letter that word itself; newest
        first."""
        ...

    async def files(self, owner: UserId, limit: int, offset: int) -> Listed[FileLine]:
        """The owner's files, newest first."""
        ...

    async def file(self, id: FileId, reader: UserId, *, teaches: bool) -> FileRecord | None:
        """A file that the reader may fetch (`StoredFile.is_open_to`); None for any other, and for a deleted
        one."""
        ...

    async def file_progress(self, id: FileId, reader: UserId, *, teaches: bool) -> FileProgress | None:
        """Likewise."""
        ...

    async def files_progress(self, owner: UserId) -> Sequence[FileProgress]:
        """Of all the files that the owner brought, public documents included, oldest first."""
        ...

    async def usage(self, owner: UserId) -> Usage:
        """What the owner keeps; somebody may just be adding to it."""
        ...

    async def index_state(self, file: FileId) -> tuple[IndexState | None, str | None]:
        """How far the file's indexing is, and what went wrong with it; nothing of a deleted one."""
        ...

    async def shelf(self, reader: UserId, session: SessionId) -> Shelf: ...

    async def citing(self, file: StoredFile, after: MessageId) -> Sequence[Citing]:
        """The next replies behind `after` that have a passage of the file among their sources, of all its
        readers, in all versions, in order; none only where there are no more."""
        ...

    async def known_as(self, reader: UserId, index_names: Sequence[str]) -> Sequence[KnownFile]:
        """The reader's (and public) files that somebody else's index knows under these names, also such with
        a tombstone."""
        ...
