"""The ledgers that figures add up, each as lines of one shape.

A line has `happened_at`, `recorded_at`, `currency`, `kind`, how many it counts for (`n`), `minor`
units, and the keys its figures may be grouped by.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Boolean, Date, DateTime, Text, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from app.domain.rollups import FLOW_KEYS

_INSTANT = DateTime(timezone=True)


@dataclass(frozen=True, slots=True)
class Source:
    """`lines` as SQL about `:merchant`. One that is `folded` knows the keys of rollups alone, and
    `table` is where its lines are counted by the time they were recorded."""

    lines: str
    keys: tuple[str, ...]
    table: str = ""

    @property
    def folded(self) -> bool:
        """Whether it is kept in rollups."""
        return bool(self.table)


# How a movement changes the number of subscriptions that pay.
_JOINS = "('opening', 'new', 'reactivation', 'resume')"
_LEAVES = "('churn_voluntary', 'churn_involuntary', 'churn_merchant', 'migration', 'pause')"
SOURCES: Mapping[str, Source] = {
    "revenue": Source(
        """
        select occurred_at as happened_at, recorded_at, currency, kind, 1 as n,
            amount_minor as minor, cause, coalesce(plan, '') as plan,
            coalesce(interval, '') as interval
        from recovery_entries
        where merchant_id = :merchant
        """,
        FLOW_KEYS,
        "recovery_entries",
    ),
    "mrr": Source(
        f"""
        select effective_at as happened_at, recorded_at, currency, kind,
            case when kind in {_JOINS} then 1 when kind in {_LEAVES} then -1 else 0 end as n,
            delta_minor as minor, '' as cause, '' as plan, '' as interval
        from mrr_movements
        where merchant_id = :merchant
        """,  # noqa: S608 - words of ours
        (),
        "mrr_movements",
    ),
    # The first automatic payment of an invoice: refused, or through without a refusal before it.
    # A mirror keeps no time of recording: what was paid by the cut-off counts.
    "attempts": Source(
        """
        select f.failed_at as happened_at, f.recorded_at, f.currency, 'failed' as kind, 1 as n,
            f.amount_minor as minor, f.plan, f.interval, t.decline_kind, t.brand as network,
            c.country
        from failures f
        left join attempts t on t.case_id = f.case_id and t.number = 1
        left join customers c on c.account_id = f.account_id and c.customer_id = f.customer_id
        where f.merchant_id = :merchant and not exists (
            select from failures later
            where later.merchant_id = f.merchant_id and later.account_id = f.account_id
                and later.invoice_id = f.invoice_id and later.version > f.version
                and later.recorded_at <= :as_of
        )
        union all
        select i.paid_at, i.paid_at, i.currency, 'paid', 1, i.paid_minor, s.plan, s.interval, null,
            m.brand, c.country
        from invoices i
        left join subscriptions s
            on s.account_id = i.account_id and s.subscription_id = i.subscription_id
        left join customers c on c.account_id = i.account_id and c.customer_id = i.customer_id
        left join lateral (
            select p.brand from payments p
            where p.account_id = i.account_id and p.invoice_id = i.invoice_id
                and p.status = 'succeeded'
            order by p.occurred_at limit 1
        ) m on true
        where i.merchant_id = :merchant and i.status = 'paid' and i.paid_minor > 0
            and i.collection_method is distinct from 'send_invoice' and not exists (
                select from failures f
                where f.merchant_id = i.merchant_id and f.account_id = i.account_id
                    and f.invoice_id = i.invoice_id
            )
        """,
        ("decline_kind", "network", "country", "plan", "interval"),
    ),
}


def statement(source: Source) -> TextClause:
    """Lines of a ledger added up by period, currency, kind and the keys that are asked for."""
    keys = [f"case when :by_{n} then nullif(e.{n}, '') end as {n}" for n in source.keys]
    places = range(1, 4 + len(source.keys))
    return text(f"""
        select p.day as period, e.currency, e.kind, {"".join(f"{key}, " for key in keys)}
            sum(e.n) as n, sum(e.minor) as minor
        from unnest(:days, :starts, :ends) as p (day, starts_at, ends_at)
        join ({source.lines}) e
            on e.happened_at >= p.starts_at and e.happened_at < p.ends_at
        where e.happened_at >= :starts_at and e.happened_at < :ends_at
            and e.recorded_at <= :as_of and (:currency is null or e.currency = :currency)
        group by {", ".join(map(str, places))}
    """).bindparams(  # noqa: S608 - words of ours
        *(bindparam(name, type_=Text) for name in ("merchant", "currency")),
        *(bindparam(name, type_=_INSTANT) for name in ("as_of", "starts_at", "ends_at")),
        *(bindparam(name, type_=ARRAY(_INSTANT)) for name in ("starts", "ends")),
        bindparam("days", type_=ARRAY(Date)),
        *(bindparam(f"by_{name}", type_=Boolean) for name in source.keys),
    )


STATEMENTS: Mapping[str, TextClause] = {name: statement(s) for name, s in SOURCES.items()}
