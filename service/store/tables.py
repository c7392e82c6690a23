"""Tables as they are now; `service.store.migrations` makes them, and makes older ones into these."""

import sqlalchemy as sa

METADATA = sa.MetaData()

LOOPS = sa.Table(
    "loops",
    METADATA,
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
    sa.Column("seen", sa.JSON(none_as_null=True)),
    sa.Column("schedule", sa.String(32)),
    sa.Index("loops_by_state", "state", "created"),
    sa.Index("loops_by_age", "created"),
    sa.Index("loops_by_schedule", "schedule", "created"),
)

NOTICES = sa.Table(
    "notices",
    METADATA,
    sa.Column("loop", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_try", sa.Double, nullable=False),
    sa.Column("reached", sa.JSON, nullable=False),
    sa.Column("is_done", sa.Boolean, nullable=False),
    sa.Index("notices_by_time", "is_done", "next_try"),
)

SCHEDULES = sa.Table(
    "schedules",
    METADATA,
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

STRETCHES = sa.Table(
    "stretches",
    METADATA,
    sa.Column("loop", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("server", sa.String(64), nullable=False),
    sa.Column("started", sa.Double, nullable=False),
    sa.Column("ended", sa.Double),
    sa.Column("code", sa.Integer),
    sa.Column("ending", sa.String(16)),
)

SERVERS = sa.Table(
    "servers",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("url", sa.String(255), nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("started", sa.Double, nullable=False),
    sa.Column("beat", sa.Integer, nullable=False),
    sa.Column("is_gone", sa.Boolean, nullable=False),
)

TOKENS = sa.Table(
    "tokens",
    METADATA,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("server", sa.String(64)),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("expires", sa.Double),
    sa.Index("tokens_by_hash", "hash", unique=True),
)
