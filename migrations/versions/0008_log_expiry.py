"""The oldest lines of the action log may expire: up to a line that is noted, and none without."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ABORT = "'the action log is append-only'"
HAS_NOT_EXPIRED = "NOT EXISTS (SELECT 1 FROM user_action_log_expired WHERE line_id >= OLD.id)"
# noted is a line behind the last one noted, as it is, and not the end of the log: the next is chained to that
MAY_NOT_EXPIRE = (
    "EXISTS (SELECT 1 FROM user_action_log_expired WHERE line_id >= NEW.line_id)"
    " OR NOT EXISTS (SELECT 1 FROM user_action_log"
    " WHERE id = NEW.line_id AND hash = NEW.hash AND timestamp = NEW.timestamp)"
    " OR NOT EXISTS (SELECT 1 FROM user_action_log WHERE id > NEW.line_id)"
)


def upgrade() -> None:
    op.create_table(
        "user_action_log_expired",
        sa.Column(
            "line_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("line_id", name="pk_user_action_log_expired"),
    )
    if op.get_context().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    op.execute("DROP TRIGGER user_action_log_no_delete")
    refuse = f"BEGIN SELECT RAISE(ABORT, {ABORT}); END"
    op.execute(
        "CREATE TRIGGER user_action_log_no_delete BEFORE DELETE ON user_action_log"
        f" WHEN {HAS_NOT_EXPIRED} {refuse}"
    )
    op.execute(
        "CREATE TRIGGER user_action_log_expired_moves_forward BEFORE INSERT ON user_action_log_expired"
        f" WHEN {MAY_NOT_EXPIRE} {refuse}"
    )
    for what in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER user_action_log_expired_no_{what.lower()}"
            f" BEFORE {what} ON user_action_log_expired {refuse}"
        )


def _guard_postgresql() -> None:
    op.execute("DROP TRIGGER user_action_log_append_only ON user_action_log")
    op.execute(
        "CREATE TRIGGER user_action_log_no_update BEFORE UPDATE ON user_action_log"
        " FOR EACH ROW EXECUTE FUNCTION user_action_log_is_append_only()"
    )
    _guard_rows("user_action_log", "no_delete", "DELETE", HAS_NOT_EXPIRED, "OLD")
    _guard_rows("user_action_log_expired", "moves_forward", "INSERT", MAY_NOT_EXPIRE, "NEW")
    op.execute(
        "CREATE TRIGGER user_action_log_expired_append_only BEFORE UPDATE OR DELETE"
        " ON user_action_log_expired FOR EACH ROW EXECUTE FUNCTION user_action_log_is_append_only()"
    )
    op.execute(
        "CREATE TRIGGER user_action_log_expired_never_emptied BEFORE TRUNCATE ON user_action_log_expired"
        " FOR EACH STATEMENT EXECUTE FUNCTION user_action_log_is_append_only()"
    )


def _guard_rows(table: str, name: str, what: str, refused: str, row: str) -> None:
    op.execute(
        f"CREATE FUNCTION {table}_{name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN IF {refused} THEN RAISE EXCEPTION {ABORT}; END IF; RETURN {row}; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_{name} BEFORE {what} ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION {table}_{name}()"
    )


def downgrade() -> None:
    """What has expired is gone: where something has, the chain has no beginning any more."""
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TRIGGER user_action_log_no_delete")
        op.execute(
            "CREATE TRIGGER user_action_log_no_delete BEFORE DELETE ON user_action_log"
            f" BEGIN SELECT RAISE(ABORT, {ABORT}); END"
        )
        op.drop_table("user_action_log_expired")
        return
    for what in ("update", "delete"):
        op.execute(f"DROP TRIGGER user_action_log_no_{what} ON user_action_log")
    op.drop_table("user_action_log_expired")
    op.execute("DROP FUNCTION user_action_log_no_delete")
    op.execute("DROP FUNCTION user_action_log_expired_moves_forward")
    op.execute(
        "CREATE TRIGGER user_action_log_append_only BEFORE UPDATE OR DELETE ON user_action_log"
        " FOR EACH ROW EXECUTE FUNCTION user_action_log_is_append_only()"
    )
