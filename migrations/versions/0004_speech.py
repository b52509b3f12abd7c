"""How far an avatar has said an answer, and what a student had heard when he cut in."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("message", sa.Column("spoken_upto", sa.Integer()))
    op.add_column("session", sa.Column("heard", sa.Text()))


def downgrade() -> None:
    op.drop_column("session", "heard")
    op.drop_column("message", "spoken_upto")
