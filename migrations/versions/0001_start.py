"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON_ = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    # message and stored_file name each other; SQLite cannot add a constraint later, PostgreSQL must
    to_file = sa.ForeignKeyConstraint(
        ["file_id"], ["stored_file.id"], name="fk_message_file_id", ondelete="SET NULL"
    )
    circular = [to_file] if dialect == "sqlite" else []
    op.create_table(
        "job",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("payload", JSON_, nullable=False),
        sa.Column("dedup_key", sa.String(100), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("run_at", MOMENT, nullable=False),
        sa.Column("lease_owner", sa.String(80), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("progress", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(200), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_state_run_at", "job", ["state", "run_at"])
    op.create_index(
        "uq_job_dedup_key",
        "job",
        ["dedup_key"],
        unique=True,
        sqlite_where=sa.text("state IN ('waiting', 'running')"),
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )

    op.create_table(
        "llm_session",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_llm_session"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "safeguard",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("username", sa.String(50), nullable=True),
        sa.Column("guardrail", sa.Text(), nullable=True),
        sa.Column("timestamp", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_safeguard"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "user",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("role", sa.String(20), server_default="student", nullable=False),
        sa.Column("status", sa.String(20), server_default="inactive", nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_login", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("email", name="uq_user_email"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "user_action_log",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("operator_email", sa.String(254), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("target_user_id", sa.BigInteger(), nullable=False),
        sa.Column("target_user_email", sa.String(254), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("details", JSON_, nullable=True),
        sa.Column("timestamp", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_action_log"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_user_action_log_timestamp", "user_action_log", ["timestamp"])

    op.create_table(
        "notification",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("type", sa.String(20), server_default="info", nullable=False),
        sa.Column("is_read", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_notification_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_notification"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notification_user_id_is_read_id", "notification", ["user_id", "is_read", "id"])

    op.create_table(
        "session",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("llm_session_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("is_favorite", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("message_count", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["llm_session_id"], ["llm_session.id"], name="fk_session_llm_session_id"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_session_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.UniqueConstraint("llm_session_id", name="uq_session_llm_session_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_session_user_id_updated_at", "session", ["user_id", "updated_at"])

    op.create_table(
        "tutor_request",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("status", sa.String(12), server_default="pending", nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.String(254), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name="fk_tutor_request_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tutor_request"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tutor_request_status", "tutor_request", ["status"])
    op.create_index("ix_tutor_request_user_id", "tutor_request", ["user_id"])

    op.create_table(
        "user_profile",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("username", sa.String(50), server_default="", nullable=False),
        sa.Column("full_name", sa.String(50), server_default="", nullable=False),
        sa.Column("bio", sa.Text(), server_default="", nullable=False),
        sa.Column("avatar_url", sa.String(200), server_default="", nullable=False),
        sa.Column("phone", sa.String(20), server_default="", nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_user_profile_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_user_profile"),
        sa.UniqueConstraint("user_id", name="uq_user_profile_user_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "message",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("file_type", sa.String(20), nullable=True),
        sa.Column("file_path", sa.String(500), nullable=True),
        sa.Column("file_id", ID, nullable=True),
        sa.Column("state", sa.String(12), server_default="final", nullable=False),
        sa.Column("sources", JSON_, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        *circular,
        sa.ForeignKeyConstraint(
            ["session_id"], ["session.id"], name="fk_message_session_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_message_file_id", "message", ["file_id"])
    op.create_index("ix_message_session_id_id", "message", ["session_id", "id"])
    op.create_index(
        "ix_message_streaming",
        "message",
        ["state"],
        sqlite_where=sa.text("state = 'streaming'"),
        postgresql_where=sa.text("state = 'streaming'"),
    )

    op.create_table(
        "stored_file",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("public", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("message_id", ID, nullable=True),
        sa.Column("session_id", ID, nullable=True),
        sa.Column("original_name", sa.String(150), nullable=False),
        sa.Column("stored_name", sa.String(200), nullable=False),
        sa.Column("disk_name", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("mime", sa.String(100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("index_name", sa.String(200), nullable=True),
        sa.Column("rag_status", sa.String(12), nullable=True),
        sa.Column("rag_error", sa.String(100), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.id"], name="fk_stored_file_message_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["session.id"], name="fk_stored_file_session_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_stored_file_user_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_stored_file"),
        sa.UniqueConstraint("disk_name", name="uq_stored_file_disk_name"),
        sa.UniqueConstraint("user_id", "index_name", name="uq_stored_file_user_id_index_name"),
        sa.UniqueConstraint("user_id", "stored_name", name="uq_stored_file_user_id_stored_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_stored_file_public", "stored_file", ["public"])
    op.create_index("ix_stored_file_session_id", "stored_file", ["session_id"])
    op.create_index("ix_stored_file_user_id_original_name", "stored_file", ["user_id", "original_name"])

    op.create_table(
        "passage",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("file_id", ID, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("heading", sa.Text(), server_default="", nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("model", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["stored_file.id"], name="fk_passage_file_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_passage"),
        sa.UniqueConstraint("file_id", "ordinal", "model", name="uq_passage_file_id_ordinal_model"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_passage_owner_id", "passage", ["owner_id"])
    if dialect == "sqlite":
        op.execute("CREATE VIRTUAL TABLE passage_fts USING fts5(text, tokenize='porter unicode61')")
        op.execute(
            "CREATE TRIGGER passage_fts_forget AFTER DELETE ON passage"
            " BEGIN DELETE FROM passage_fts WHERE rowid = old.id; END"
        )
    else:
        op.create_foreign_key(
            "fk_message_file_id", "message", "stored_file", ["file_id"], ["id"], ondelete="SET NULL"
        )
        op.execute("ALTER TABLE passage ADD COLUMN search tsvector")
        op.execute("CREATE INDEX ix_passage_search ON passage USING gin (search)")


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TABLE passage_fts")
    else:
        op.drop_constraint("fk_message_file_id", "message")
    for table in (
        "passage",
        "stored_file",
        "message",
        "user_profile",
        "tutor_request",
        "session",
        "notification",
        "user_action_log",
        "user",
        "safeguard",
        "llm_session",
        "job",
    ):
        op.drop_table(table)
