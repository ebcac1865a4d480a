"""Declarations are found by their address, and by whom they were matched to."""

import hashlib
import hmac

import sqlalchemy
from alembic import op

revision = "0039"
down_revision = "0038"

AT_ONCE = 1000
READ = sqlalchemy.text("""
    select declaration_id, email, assignment_key
    from declarations join merchants using (merchant_id)
    where declaration_id > :after order by declaration_id limit :many
""")
NOTE = sqlalchemy.text("update declarations set email_hash = :hash where declaration_id = :row")


def upgrade() -> None:
    op.execute('alter table declarations add column email_hash text collate "C"')
    _note_addresses()
    op.execute("""
        create index declarations_by_address on declarations (merchant_id, email_hash, received_at)
    """)
    op.execute("create index declarations_by_customer on declarations (customer_id, account_id)")


def _note_addresses() -> None:
    """Of the declarations that are there, by the owner alone."""
    for table in ("declarations", "merchants"):
        op.execute(f"alter table {table} no force row level security")
    database, after = op.get_bind(), ""
    while rows := database.execute(READ, {"after": after, "many": AT_ONCE}).all():
        database.execute(NOTE, [{"row": row, "hash": _hash(*told)} for row, *told in rows])
        after = rows[-1][0]
    for table in ("declarations", "merchants"):
        op.execute(f"alter table {table} force row level security")


def _hash(email: str, key: str) -> str:
    """What stands for an address, as the service has it in this release."""
    address = email.strip().lower()
    if not address:
        return ""
    digest = hmac.new(key.encode(), address.encode("utf-8", "replace"), hashlib.sha256)
    return f"erased:{digest.hexdigest()[:32]}"
