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
    `table` is where its lines are counted by the time they were recorded. `kind` may look at the
    period `p` as well."""

    lines: str
    keys: tuple[str, ...]
    table: str = ""
    kind: str = "e.kind"

    @property
    def folded(self) -> bool:
        """Whether it is kept in rollups."""
        return bool(self.table)


# How a movement changes the number of subscriptions that pay.
_JOINS = "('opening', 'new', 'reactivation', 'resume')"
_LEAVES = "('churn_voluntary', 'churn_involuntary', 'churn_merchant', 'migration', 'pause')"
_PAYING = f"case when kind in {_JOINS} then 1 when kind in {_LEAVES} then -1 else 0 end"
CHURN_KEYS = (
    *("kind_of_end", "cause", "reason", "plan", "interval", "country", "segment"),
    *("tenure", "mrr_band", "while_past_due"),
)
# Tenure in days, MRR in minor units: what the bands are called is where they begin.
_TENURE = """case when r.tenure_days < 31 then 'days_0' when r.tenure_days < 91 then 'days_31'
    when r.tenure_days < 181 then 'days_91' when r.tenure_days < 366 then 'days_181'
    when r.tenure_days is not null then 'days_366' end"""
_BAND = """case when abs(r.mrr_minor) < 1000 then 'minor_0' when abs(r.mrr_minor) < 5000
    then 'minor_1000' when abs(r.mrr_minor) < 20000 then 'minor_5000' else 'minor_20000' end"""
_RECORD = f"""
    r.currency, r.kind as kind_of_end, r.cause, r.reason, r.plan, r.interval, r.country, r.segment,
    {_TENURE} as tenure, {_BAND} as mrr_band, r.while_past_due::text as while_past_due
"""
# Migrations are no loss, trials were never paid for, and what was before us has no MRR here.
_COUNTS = (
    "r.merchant_id = :merchant and r.kind <> 'migration' and not r.trial and r.origin = 'seen'"
)
_OVERDUE_AFTER = "interval '720 hours'"
# An end counts by its own line, and as asked for when the plan of it was heard of, if there was
# one. Who had been past due for 30 days before is known once more under another name.
_ENDED = f"""
    select r.occurred_at as happened_at, r.recorded_at, r.started_at as since,
        r.started_at as began, w.name as kind, r.count as n, r.mrr_minor as minor, {_RECORD}
    from churn_records r
    left join cases c on c.case_id = r.case_id
    left join churn_records b on b.record_id = r.about
    cross join lateral (
        select 'ended' as name where r.entry in ('churned', 'restated')
        union all
        select 'asked' where r.entry in ('pending', 'withdrawn')
            or (r.entry in ('churned', 'restated') and (r.kind <> 'voluntary'
                or case when r.entry = 'churned' then r.about else b.about end is null))
        union all
        select 'ended_overdue' where r.entry in ('churned', 'restated')
            and c.opened_at + {_OVERDUE_AFTER} <= r.occurred_at
    ) w
    where {_COUNTS}
"""  # noqa: S608 - words of ours
_RETURNED = f"""
    select r.occurred_at, r.recorded_at, e.occurred_at, r.started_at, 'returned', -r.count,
        -r.mrr_minor,
        {_RECORD}
    from churn_records r
    join churn_records e on e.record_id = r.about
    where {_COUNTS} and r.entry = 'reversed'
"""  # noqa: S608 - words of ours
_OVERDUE = f"""
    select c.opened_at + {_OVERDUE_AFTER}, c.opened_at + {_OVERDUE_AFTER}, s.started_at,
        s.started_at, 'overdue', 1, s.mrr_minor, c.currency, 'involuntary', 'payment_failed', null,
        s.plan, s.interval, null, null, null, null, 'true'
    from cases c
    join subscriptions s on s.account_id = c.account_id and s.subscription_id = c.subscription_id
    where c.merchant_id = :merchant and c.kind = 'payment'
        and (c.closed_at is null or c.closed_at > c.opened_at + {_OVERDUE_AFTER})
        and (s.ended_at is null or s.ended_at > c.opened_at + {_OVERDUE_AFTER})
"""  # noqa: S608 - words of ours
# Those who joined within the period stand apart, and so do returns from ends before it.
_WHO = """case
    when e.kind = 'returned' and e.since < p.starts_at then 'returned_later'
    when e.began >= p.starts_at then 'new_' || e.kind
    else e.kind end"""
# What came of each accepted offer, all dated by its acceptance.
_ACCEPTED = """
    from redemptions d
    left join cancel_sessions x on x.session_id = d.session_id
    left join subscriptions s
        on s.account_id = d.account_id and s.subscription_id = d.subscription_id
"""
_OFFER = """d.offer_id as offer, d.kind as offer_kind, x.reason, s.plan, s.interval"""
_OFFERS = f"""
    select d.claimed_at as happened_at, d.claimed_at as recorded_at, d.currency,
        'accepted' as kind, 1 as n, d.cost_minor as minor, {_OFFER}
    {_ACCEPTED} where d.merchant_id = :merchant
    union all
    select d.claimed_at, d.settled_at, d.currency, d.state, 1, d.cost_minor, {_OFFER}
    {_ACCEPTED} where d.merchant_id = :merchant and d.state in ('applied', 'failed')
    union all
    select d.claimed_at, i.paid_at, d.currency, 'retained', 1, i.paid_minor - coalesce((
            select sum(p.refunded_minor) from payments p
            where p.account_id = i.account_id and p.invoice_id = i.invoice_id
        ), 0), {_OFFER}
    {_ACCEPTED}
    join invoices i on i.account_id = d.account_id and i.subscription_id = d.subscription_id
        and i.currency = d.currency and i.paid_at > d.claimed_at
        and i.paid_at <= d.claimed_at + interval '2160 hours'
    where d.merchant_id = :merchant and d.state = 'applied' and i.status = 'paid'
    union all
    select t.begun_at, t.recorded_at, t.currency,
        t.rung || case when t.kept then '' else '_lost' end, 1, t.mrr_minor, t.offer_id,
        t.offer_kind, t.reason, t.plan, t.interval
    from save_steps t
    where t.merchant_id = :merchant and t.offer_id is not null
        and t.rung in ('saved_30d', 'saved_90d')
"""  # noqa: S608 - words of ours
# Each rung has the cohort, currency and keys of its acceptance: one that is missing is open.
_SAVES = """
    select begun_at as happened_at, recorded_at, currency,
        rung || case when kept or rung = 'abandoned' then '' else '_lost' end as kind, 1 as n,
        mrr_minor as minor, offer_kind, reason, plan, interval
    from save_steps
    where merchant_id = :merchant
    union all
    select begun_at, recorded_at, currency, 'cost', 0, cost_minor, offer_kind, reason, plan,
        interval
    from save_steps
    where merchant_id = :merchant and rung = 'accepted'
"""
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
            {_PAYING} as n, delta_minor as minor, '' as cause, '' as plan, '' as interval
        from mrr_movements
        where merchant_id = :merchant
        """,  # noqa: S608 - words of ours
        (),
        "mrr_movements",
    ),
    # The same by what the subscription is known to be now.
    "mrr_by": Source(
        f"""
        select v.effective_at as happened_at, v.recorded_at, v.currency, v.kind, {_PAYING} as n,
            v.delta_minor as minor, s.plan, s.interval, c.country
        from mrr_movements v
        left join subscriptions s
            on s.account_id = v.account_id and s.subscription_id = v.subscription_id
        left join customers c on c.account_id = v.account_id and c.customer_id = v.customer_id
        where v.merchant_id = :merchant
        """,  # noqa: S608 - words of ours
        ("plan", "interval", "country"),
    ),
    "saves": Source(_SAVES, ("offer_kind", "reason", "plan", "interval")),
    "offers": Source(_OFFERS, ("offer", "offer_kind", "reason", "plan", "interval")),
    "churn": Source(f"{_ENDED} union all {_RETURNED} union all {_OVERDUE}", CHURN_KEYS, kind=_WHO),
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
        select p.day as period, e.currency, {source.kind} as kind,
            {"".join(f"{key}, " for key in keys)}
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
