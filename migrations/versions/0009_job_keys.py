"""Jobs are found by their key, those that have ended too."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_index("ix_job_dedup_key", "job", ["dedup_key"])


def downgrade() -> None:
    op.drop_index("ix_job_dedup_key", "job")
