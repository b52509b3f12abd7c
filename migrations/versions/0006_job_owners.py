"""Whom a job is for, so that nobody's many jobs hold up those of others."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("job", sa.Column("owner_id", sa.BigInteger()))
    unfinished = sa.text("state IN ('waiting', 'running')")
    op.create_index(
        "ix_job_owner_id", "job", ["owner_id"], sqlite_where=unfinished, postgresql_where=unfinished
    )


def downgrade() -> None:
    op.drop_index("ix_job_owner_id", "job")
    op.drop_column("job", "owner_id")
