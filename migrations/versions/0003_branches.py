"""Versions of messages, summaries of sessions, and a full-text index over what was said."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.message_index import ADD_TO_INDEX, indexed

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
POINTERS = ("version_of", "superseded_by")
PORTION = 500


def upgrade() -> None:
    sqlite = op.get_context().dialect.name == "sqlite"
    op.add_column(
        "session", sa.Column("memory_is_fresh", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("session", sa.Column("summary", sa.Text()))
    op.add_column("session", sa.Column("summary_upto", sa.BigInteger()))
    for pointer in POINTERS:
        if sqlite:  # it takes a constraint together with its column or not at all
            op.execute(
                f"ALTER TABLE message ADD COLUMN {pointer} INTEGER"
                f" CONSTRAINT fk_message_{pointer} REFERENCES message (id)"
            )
        else:
            op.add_column("message", sa.Column(pointer, ID))
            op.create_foreign_key(f"fk_message_{pointer}", "message", "message", [pointer], ["id"])
        given = sa.text(f"{pointer} IS NOT NULL")
        op.create_index(
            f"ix_message_{pointer}", "message", [pointer], sqlite_where=given, postgresql_where=given
        )
    if sqlite:
        op.execute(
            "CREATE VIRTUAL TABLE message_fts USING"
            " fts5(text, tokenize=\"unicode61 remove_diacritics 0 categories 'L* N* M* Co'\")"
        )
        op.execute(
            "CREATE TRIGGER message_fts_forget AFTER DELETE ON message"
            " BEGIN DELETE FROM message_fts WHERE rowid = old.id; END"
        )
    else:
        op.execute("ALTER TABLE message ADD COLUMN search tsvector")
        op.execute("CREATE INDEX ix_message_search ON message USING gin (search)")
    _index_what_was_said()


def _index_what_was_said() -> None:
    connection, last = op.get_bind(), 0
    add_to_index = ADD_TO_INDEX[op.get_context().dialect.name]
    said = sa.text(
        "SELECT id, content FROM message WHERE id > :last AND content <> '' ORDER BY id LIMIT :portion"
    )
    while rows := connection.execute(said, {"last": last, "portion": PORTION}).all():
        last = rows[-1].id
        connection.execute(add_to_index, [indexed(row.id, row.content) for row in rows])


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TRIGGER message_fts_forget")
        op.execute("DROP TABLE message_fts")
    else:
        op.drop_column("message", "search")
    for pointer in reversed(POINTERS):
        op.drop_index(f"ix_message_{pointer}", "message")
        if op.get_context().dialect.name == "sqlite":
            op.execute(f"ALTER TABLE message DROP COLUMN {pointer}")
        else:
            op.drop_column("message", pointer)
    for column in ("summary_upto", "summary", "memory_is_fresh"):
        op.drop_column("session", column)
