"""What alembic runs to migrate: the steps, in the transaction that the service has opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
