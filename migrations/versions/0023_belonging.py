"""What drains write by the thousand is checked once a statement for what it belongs to, and what
it belongs to stays: merchants, accounts and cases are neither deleted nor given another key.
"""

from alembic import op

revision = "0023"
down_revision = "0022"

OF_MERCHANT = ("merchant_id",)
OF_ACCOUNT = ("merchant_id", "account_id")
OF_CASE = ("case_id",)
PARENTS = {OF_MERCHANT: "merchants", OF_ACCOUNT: "provider_accounts", OF_CASE: "cases"}
BELONGS = {
    "assignments": (OF_MERCHANT,),
    "customers": (OF_ACCOUNT,),
    "subscriptions": (OF_ACCOUNT,),
    "invoices": (OF_ACCOUNT,),
    "payment_methods": (OF_ACCOUNT,),
    "payments": (OF_ACCOUNT,),
    "cases": (OF_ACCOUNT,),
    "case_events": (OF_MERCHANT, OF_CASE),
    "actions": (OF_ACCOUNT, OF_CASE),
    "failures": (OF_ACCOUNT, OF_CASE),
    "mrr_movements": (OF_ACCOUNT,),
}


def upgrade() -> None:
    for names, parent in PARENTS.items():
        _keep(parent, names)
        op.execute(_check(parent, names))
    op.execute(
        "create function holdfast_stays() returns trigger language plpgsql as $$ begin"
        " raise exception 'a row of % stays where it belongs', tg_table_name"
        " using errcode = 'restrict_violation'; end $$"
    )
    for table, parents in BELONGS.items():
        for names in parents:
            op.execute(f"alter table {table} drop constraint {table}_{'_'.join(names)}_refers")
            op.execute(
                f"create trigger {table}_of_{PARENTS[names]} after insert on {table}"
                f" referencing new table as given for each statement"
                f" execute function holdfast_in_{PARENTS[names]}()"
            )
        _stay(table, sorted({name for names in parents for name in names}))


def _check(parent: str, names: tuple[str, ...]) -> str:
    """New rows name rows of the parent. Each name is looked up by itself: no plan of a small table
    reads a large one."""
    listed = ", ".join(names)
    same = " and ".join(f"known.{name} = named.{name}" for name in names)
    return f"""
create function holdfast_in_{parent}() returns trigger language plpgsql as $$
begin
    if exists (
        select from (select distinct {listed} from given where {names[-1]} is not null) as named
        where (select true from {parent} as known where {same}) is null
    ) then
        raise exception 'a row of % belongs to nothing in {parent}', tg_table_name
            using errcode = 'foreign_key_violation';
    end if;
    return null;
end
$$
"""


def _stay(table: str, names: list[str]) -> None:
    moved = " or ".join(f"old.{name} is distinct from new.{name}" for name in names)
    op.execute(
        f"create trigger {table}_stays before update on {table}"
        f" for each row when ({moved}) execute function holdfast_stays()"
    )


def _keep(parent: str, names: tuple[str, ...]) -> None:
    if parent == "merchants":
        op.execute(
            "create function holdfast_kept() returns trigger language plpgsql as $$ begin"
            " raise exception 'a row of % is kept: others belong to it', tg_table_name"
            " using errcode = 'restrict_violation'; end $$"
        )
    changed = " or ".join(f"old.{name} is distinct from new.{name}" for name in names)
    op.execute(
        f"create trigger {parent}_kept before delete or truncate on {parent}"
        " for each statement execute function holdfast_kept()"
    )
    op.execute(
        f"create trigger {parent}_keep_their_key before update on {parent}"
        f" for each row when ({changed}) execute function holdfast_kept()"
    )
