"""What an index made of a document, and names in the public base that no two documents share."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"

NAME = "uq_stored_file_public_index_name"


def upgrade() -> None:
    json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
    op.add_column("stored_file", sa.Column("index_report", json))
    public = sa.column("public").is_(sa.true())
    op.create_index(
        NAME, "stored_file", ["index_name"], unique=True, sqlite_where=public, postgresql_where=public
    )


def downgrade() -> None:
    op.drop_index(NAME, "stored_file")
    op.drop_column("stored_file", "index_report")
