"""The first schema: loops, their stretches, and servers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "loops",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("recipe", sa.String(64), nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("words", sa.JSON, nullable=False),
        sa.Column("submitted_by", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("stretch", sa.Integer, nullable=False),
        sa.Column("is_handed", sa.Boolean, nullable=False),
        sa.Column("is_to_cancel", sa.Boolean, nullable=False),
        sa.Column("server", sa.String(64)),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("seen", sa.JSON),
    )
    op.create_index("loops_by_state", "loops", ["state", "created"])
    op.create_index("loops_by_age", "loops", ["created"])
    op.create_table(
        "stretches",
        sa.Column("loop", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("server", sa.String(64), nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("ended", sa.Double),
        sa.Column("code", sa.Integer),
        sa.Column("ending", sa.String(16)),
    )
    op.create_table(
        "servers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("url", sa.String(255), nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("beat", sa.Integer, nullable=False),
        sa.Column("is_gone", sa.Boolean, nullable=False),
    )
