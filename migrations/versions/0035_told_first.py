"""What was told first of a refusal, and cards of payments, stay: rollups can be kept by them."""

from alembic import op

revision = "0035"
down_revision = "0034"

KINDS = (
    *("never", "new_method", "fix_data", "customer_authenticate", "no_payment_method"),
    *("insufficient_funds", "limit_exceeded", "retry_later", "retry_few_and_ask"),
    *("processor_error", "reconcile_first", "merchant_problem", "unknown"),
)
WORDS = ", ".join(f"'{kind}'" for kind in KINDS)
# Their own rules would hide all rows from who migrates.
READ = ("attempts", "failures", "takings", "customers", "payments")
COLUMNS = (
    f"""
    alter table attempts
        add column refused_at timestamptz,
        add column refused_as text collate "C",
        add column refused_brand text collate "C",
        add constraint attempts_refused_as_words check (refused_as in ({WORDS}))
    """,
    'alter table failures add column country text collate "C"',
    'alter table takings add column brand text collate "C"',
    """
    create index attempts_by_refusal on attempts (merchant_id, refused_at) where number = 1
    """,
)
FORMER = (
    # What was told before is as far as it is known now.
    """
    update attempts set refused_at = coalesce(resolved_at, intent_at), refused_as = decline_kind,
        refused_brand = brand
    where decline_kind is not null
    """,
    "alter table failures disable trigger user",
    """
    update failures f set country = c.country from customers c
    where c.account_id = f.account_id and c.customer_id = f.customer_id
        and c.country is not null
    """,
    "alter table failures enable trigger user",
    "alter table takings disable trigger user",
    """
    update takings k set brand = p.brand from payments p
    where p.account_id = k.account_id and p.payment_id = k.payment_id and p.brand is not null
    """,
    "alter table takings enable trigger user",
    "truncate rollup_marks, cohort_cells, cohort_steps, flow_cells, arm_cells, arm_steps",
)


def upgrade() -> None:
    for statement in COLUMNS:
        op.execute(statement)
    for table in READ:
        op.execute(f"alter table {table} no force row level security")
    for statement in FORMER:
        op.execute(statement)
    for table in READ:
        op.execute(f"alter table {table} force row level security")
