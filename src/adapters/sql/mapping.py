"""The tables (contract 13) and the imperative mapping of entities onto them."""

from enum import StrEnum

from advanced_alchemy.types import DateTimeUTC
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    false,
    func,
    or_,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry, relationship
from sqlalchemy.schema import SchemaItem

from domain.conversation import ChatSession, Message, MessageState, Speaker
from domain.document import FileKind, IndexState, StoredFile
from domain.export import Export
from domain.tutor_request import RequestStatus, TutorRequest
from domain.user import Profile, Role, Status, User

mapper = registry(
    metadata=MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
)

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite's AUTOINCREMENT wants the plain name
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Moment = DateTimeUTC(timezone=True)


def one_of(kind: type[StrEnum], length: int) -> Enum:
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=length,
        values_callable=lambda members: [member.value for member in members],
    )


def id_column() -> "Column[int]":
    """A number that is given once and never again, also after the newest row was deleted."""
    return Column("id", Id, Identity(always=False), primary_key=True)


def table(name: str, *items: SchemaItem) -> Table:
    return Table(name, mapper.metadata, *items, sqlite_autoincrement=True)


users = table(
    "user",
    id_column(),
    Column("email", String(254), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("role", one_of(Role, 20), nullable=False, server_default="student"),
    Column("status", one_of(Status, 20), nullable=False, server_default="inactive"),
    Column("created_at", Moment, nullable=False),
    Column("last_login", Moment),
    Column("tokens_from", Moment),
    Column("deleted_at", Moment),
)
user_profiles = table(
    "user_profile",
    id_column(),
    Column("user_id", ForeignKey("user.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("username", String(50), nullable=False, server_default=""),
    Column("full_name", String(50), nullable=False, server_default=""),
    Column("bio", Text, nullable=False, server_default=""),
    Column("avatar_url", String(200), nullable=False, server_default=""),
    Column("phone", String(20), nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)
llm_sessions = table("llm_session", id_column())
sessions = table(
    "session",
    id_column(),
    Column("llm_session_id", ForeignKey("llm_session.id"), nullable=False, unique=True),
    Column("user_id", ForeignKey("user.id", ondelete="CASCADE"), nullable=False),
    Column("title", String(120), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("is_favorite", Boolean, nullable=False, server_default=false()),
    Column("message_count", Integer, nullable=False, server_default="0"),
    Column("memory_is_fresh", Boolean, nullable=False, server_default=false()),
    Column("summary", Text),
    Column("summary_upto", BigInteger),
    Column("heard", Text),
    Index("ix_session_user_id_updated_at", "user_id", "updated_at"),
)
messages = table(
    "message",
    id_column(),
    Column("session_id", ForeignKey("session.id", ondelete="CASCADE"), nullable=False),
    Column("role", one_of(Speaker, 20), nullable=False),
    Column("content", Text),
    Column("file_type", String(20)),
    Column("file_path", String(500)),
    Column("file_id", ForeignKey("stored_file.id", ondelete="SET NULL", use_alter=True)),
    Column("state", one_of(MessageState, 12), nullable=False, server_default="final"),
    Column("sources", Json),
    Column("created_at", Moment, nullable=False),
    Column("version_of", ForeignKey("message.id")),
    Column("superseded_by", ForeignKey("message.id")),
    Column("spoken_upto", Integer),
    Index("ix_message_session_id_id", "session_id", "id"),
    Index("ix_message_file_id", "file_id"),
)  # beside it: a full-text index, made by the migration in each database's own way
for _pointer in (messages.c.version_of, messages.c.superseded_by):
    Index(None, _pointer, sqlite_where=_pointer.is_not(None), postgresql_where=_pointer.is_not(None))
Index(
    "ix_message_streaming",
    messages.c.state,
    sqlite_where=messages.c.state == MessageState.STREAMING,
    postgresql_where=messages.c.state == MessageState.STREAMING,
)
stored_files = table(
    "stored_file",
    id_column(),
    Column("deleted_at", Moment),
    Column("user_id", ForeignKey("user.id", ondelete="SET NULL")),
    Column("public", Boolean, nullable=False, server_default=false()),
    Column("message_id", ForeignKey("message.id", ondelete="SET NULL")),
    Column("session_id", ForeignKey("session.id", ondelete="SET NULL")),
    Column("original_name", String(150), nullable=False),
    Column("stored_name", String(200), nullable=False),
    Column("disk_name", String(80), nullable=False, unique=True),
    Column("kind", one_of(FileKind, 20), nullable=False),
    Column("mime", String(100), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("index_name", String(200)),
    Column("rag_status", one_of(IndexState, 12)),
    Column("rag_error", String(100)),
    Column("index_report", Json),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("user_id", "stored_name"),
    UniqueConstraint("user_id", "index_name"),
    Index("ix_stored_file_user_id_original_name", "user_id", "original_name"),
    Index("ix_stored_file_public", "public"),
    Index("ix_stored_file_session_id", "session_id"),
)
_public = stored_files.c.public.is_(True)  # they share one base, whoever brought them
Index(
    "uq_stored_file_public_index_name",
    stored_files.c.index_name,
    unique=True,
    sqlite_where=_public,
    postgresql_where=_public,
)
notifications = table(
    "notification",
    id_column(),
    Column("user_id", ForeignKey("user.id", ondelete="CASCADE"), nullable=False),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("type", String(20), nullable=False, server_default="info"),
    Column("is_read", Boolean, nullable=False, server_default=false()),
    Column("created_at", Moment, nullable=False),
    Index("ix_notification_user_id_is_read_id", "user_id", "is_read", "id"),
)
user_action_logs = table(
    "user_action_log",
    id_column(),
    Column("operator_email", String(254), nullable=False),
    Column("role", String(20), nullable=False),
    Column("action", String(20), nullable=False),
    Column("target_user_id", BigInteger, nullable=False),  # no foreign key: the log outlives the user
    Column("target_user_email", String(254)),
    Column("reason", Text),
    Column("details", Json),
    Column("timestamp", Moment, nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_user_action_log_timestamp", "timestamp"),
)
expired_actions = table(  # the last line of each front that has gone; the log goes on behind the last of them
    "user_action_log_expired",
    Column("line_id", Id, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
    Column("timestamp", Moment, nullable=False),
)
tutor_requests = table(
    "tutor_request",
    id_column(),
    Column("user_id", ForeignKey("user.id", ondelete="CASCADE"), nullable=False),
    Column("reason", Text),
    Column("status", one_of(RequestStatus, 12), nullable=False, server_default="pending"),
    Column("created_at", Moment, nullable=False),
    Column("decided_at", Moment),
    Column("decided_by", String(254)),
    Index("ix_tutor_request_status", "status"),
    Index("ix_tutor_request_user_id", "user_id"),
)
exports = table(
    "export",
    id_column(),
    Column("user_id", ForeignKey("user.id", ondelete="CASCADE"), nullable=False),
    Column("disk_name", String(80), nullable=False),
    Column("size", BigInteger),
    Column("created_at", Moment, nullable=False),
    Column("ready_at", Moment),
    Column("fetched_at", Moment),
    Index("ix_export_user_id", "user_id"),
)
safeguards = table(  # written by the LLM service when it shares the database
    "safeguard",
    id_column(),
    Column("user_id", BigInteger, nullable=False),
    Column("username", String(50)),
    Column("guardrail", Text),
    Column("timestamp", Moment),
)
jobs = table(
    "job",
    id_column(),
    Column("kind", String(40), nullable=False),
    Column("payload", Json, nullable=False),
    Column("dedup_key", String(100), nullable=False),
    Column("owner_id", BigInteger),  # no foreign key: jobs see to accounts that are gone
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("run_at", Moment, nullable=False),
    Column("lease_owner", String(80)),
    Column("lease_until", Moment),
    Column("progress", Integer),
    Column("error", String(200)),
    Column("created_at", Moment, nullable=False),
    Index("ix_job_state_run_at", "state", "run_at"),
    Index("ix_job_dedup_key", "dedup_key"),
)
_unfinished = jobs.c.state.in_(["waiting", "running"])
Index("ix_job_owner_id", jobs.c.owner_id, sqlite_where=_unfinished, postgresql_where=_unfinished)
Index(
    "uq_job_dedup_key",
    jobs.c.dedup_key,
    unique=True,
    sqlite_where=_unfinished,
    postgresql_where=_unfinished,
)
passages = (
    table(  # beside it: a full-text index in each database's own way, and pgvector's column if there is one
        "passage",
        id_column(),
        Column("file_id", ForeignKey("stored_file.id", ondelete="CASCADE"), nullable=False),
        Column("owner_id", BigInteger),
        Column("ordinal", Integer, nullable=False),
        Column("page", Integer),
        Column("start", Integer, nullable=False),
        Column("end", Integer, nullable=False),
        Column("heading", Text, nullable=False, server_default=""),
        Column("text", Text, nullable=False),
        Column("vector", LargeBinary),
        Column("model", String(40), nullable=False),
        UniqueConstraint("file_id", "ordinal", "model"),
        Index("ix_passage_owner_id", "owner_id"),
    )
)

mapper.map_imperatively(Profile, user_profiles)
mapper.map_imperatively(
    User,
    users,
    properties={"profile": relationship(Profile, uselist=False, lazy="raise", cascade="save-update, merge")},
)
mapper.map_imperatively(
    ChatSession,
    sessions,
    properties={"memory": sessions.c.llm_session_id, "owner": sessions.c.user_id},
)
mapper.map_imperatively(Message, messages, properties={"speaker": messages.c.role})
mapper.map_imperatively(StoredFile, stored_files)
mapper.map_imperatively(TutorRequest, tutor_requests)
mapper.map_imperatively(Export, exports)


def visible() -> ColumnElement[bool]:
    """`Message.visible`, asked of a row."""
    m = messages.c
    ended = and_(m.state != MessageState.STREAMING, func.coalesce(m.content, "") != "")
    return or_(m.role == Speaker.USER, ended)
