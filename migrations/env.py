"""How alembic reaches the database: on the connection that `app.storage.migrate` hands over."""

from alembic import context

from app.storage.registry import TABLES
from app.storage.tables import METADATA

if not TABLES:
    raise RuntimeError("no table is registered")
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
