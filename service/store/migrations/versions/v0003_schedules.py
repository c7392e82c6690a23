"""Schedules of nights, and of each loop the schedule that it is a night of."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("recipe", sa.String(64), nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("words", sa.JSON, nullable=False),
        sa.Column("cron", sa.String(100), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("dealt_with", sa.Double, nullable=False),
    )
    op.add_column("loops", sa.Column("schedule", sa.String(32)))
    op.create_index("loops_by_schedule", "loops", ["schedule", "created"])
