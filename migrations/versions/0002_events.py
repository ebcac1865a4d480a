"""What merchants' own software is told: events, endpoints, deliveries."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

FILE = Path(__file__).resolve().parents[1] / "events" / "tables.sql"
TABLES = (
    "event_endpoints",
    "event_subjects",
    "outgoing_events",
    "event_deliveries",
    "delivery_tries",
)
IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""


def upgrade() -> None:
    for statement in FILE.read_text().split("\n\n"):
        op.execute(statement)
    for table in TABLES:
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(
            f"create policy merchants_of_{table} on {table} to holdfast_app"
            f" using ({IS_OURS}) with check ({IS_OURS})"
        )
        op.execute(f"grant select, insert, update on {table} to holdfast_app")
