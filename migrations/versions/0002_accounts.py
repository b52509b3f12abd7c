"""Revocation and erasure of accounts, exports, and an action log that cannot be changed unnoticed."""

import hashlib
import json
from datetime import UTC

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("user", sa.Column("tokens_from", MOMENT))
    op.add_column("user", sa.Column("deleted_at", MOMENT))
    op.create_table(
        "export",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("disk_name", sa.String(80), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ready_at", MOMENT),
        sa.Column("fetched_at", MOMENT),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_export_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_export"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_export_user_id", "export", ["user_id"])
    op.add_column("user_action_log", sa.Column("hash", sa.String(64), nullable=False, server_default=""))
    _chain_what_is_there()
    _append_only()


def _chain_what_is_there() -> None:
    names = ["operator_email", "role", "action", "target_user_id", "target_user_email", "reason"]
    log = sa.table(
        "user_action_log",
        sa.column("id"),
        *(sa.column(name) for name in names),
        sa.column("details", sa.JSON()),
        sa.column("timestamp", MOMENT),
        sa.column("hash"),
    )
    connection, previous = op.get_bind(), "0" * 64
    for row in connection.execute(sa.select(log).order_by(log.c.id)).all():
        fields = {name: getattr(row, name) for name in names}
        fields["details"] = row.details
        moment = row.timestamp if row.timestamp.tzinfo else row.timestamp.replace(tzinfo=UTC)
        fields["timestamp"] = moment.astimezone(UTC).isoformat(timespec="microseconds")
        told = json.dumps([previous, fields], sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256(told.encode()).hexdigest()
        connection.execute(sa.update(log).where(log.c.id == row.id).values(hash=previous))


def _append_only() -> None:
    if op.get_context().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER user_action_log_no_{what.lower()} BEFORE {what} ON user_action_log"
                " BEGIN SELECT RAISE(ABORT, 'the action log is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION user_action_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the action log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER user_action_log_append_only BEFORE UPDATE OR DELETE ON user_action_log"
        " FOR EACH ROW EXECUTE FUNCTION user_action_log_is_append_only()"
    )
    op.execute(
        "CREATE TRIGGER user_action_log_never_emptied BEFORE TRUNCATE ON user_action_log"
        " FOR EACH STATEMENT EXECUTE FUNCTION user_action_log_is_append_only()"
    )


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TRIGGER user_action_log_no_update")
        op.execute("DROP TRIGGER user_action_log_no_delete")
    else:
        op.execute("DROP TRIGGER user_action_log_append_only ON user_action_log")
        op.execute("DROP TRIGGER user_action_log_never_emptied ON user_action_log")
        op.execute("DROP FUNCTION user_action_log_is_append_only")
    op.drop_column("user_action_log", "hash")
    op.drop_table("export")
    op.drop_column("user", "deleted_at")
    op.drop_column("user", "tokens_from")
