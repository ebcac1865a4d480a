"""Views for other people's tools, and which login of the database reads which merchant's rows."""

from pathlib import Path

from alembic import op

revision = "0027"
down_revision = "0026"

VIEWS = Path(__file__).resolve().parents[1] / "reporting" / "views.sql"
READ = (
    "recovery_entries", "failures", "first_payments", "cases", "attempts", "mrr_movements",
    "churn_records", "redemptions", "save_steps", "survey_answers", "messages",
)  # fmt: skip
IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
# Who logged in, whatever role is taken since. The views belong to a role that row-level security
# holds for, so that this decides and not what a query asks.
IS_READ_BY_LOGIN = """
merchant_id in (
    select merchant_id from readers where login = session_user::text and ended_at is null
)
"""
READERS = (
    """
    create table readers (
        login text collate "C" not null,
        merchant_id text collate "C" not null,
        begun_at timestamptz not null,
        ended_at timestamptz,
        constraint readers_key primary key (login, merchant_id),
        constraint readers_merchant_id_refers foreign key (merchant_id)
            references merchants (merchant_id) deferrable initially deferred
    )
    """,
    "alter table readers enable row level security",
    "alter table readers force row level security",
    f"""
    create policy merchants_of_readers on readers to holdfast_app
        using ({IS_OURS}) with check ({IS_OURS})
    """,
    "grant select, insert, update on readers to holdfast_app",
    "grant select on readers to holdfast_reporting",
    """
    create policy reporting_of_readers on readers for select to holdfast_reporting
        using (login = session_user::text)
    """,
)


def upgrade() -> None:
    for statement in READERS:
        op.execute(statement)
    for table in READ:
        op.execute(f"grant select on {table} to holdfast_reporting")
        op.execute(
            f"create policy reporting_of_{table} on {table} for select to holdfast_reporting"
            f" using ({IS_READ_BY_LOGIN})"
        )
    op.execute("create schema reporting authorization holdfast_reporting")
    op.execute("set local role holdfast_reporting")
    for statement in VIEWS.read_text().split("\n\n"):
        op.execute(statement)
    op.execute("set local role none")
