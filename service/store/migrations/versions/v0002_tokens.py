"""Tokens, by their hash."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("server", sa.String(64)),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("tokens_by_hash", "tokens", ["hash"], unique=True)
