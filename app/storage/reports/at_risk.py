"""What may be lost: subscriptions with an unpaid invoice or a planned end, as SQL.

Asked at a cut-off, or as lines: what changed between two instants, what was before taken back.
"""

from sqlalchemy import Boolean, DateTime, Text, bindparam, text

from app.storage.reports.stretches import SIGNED, SINCE, ends_of, points_of, stretch_of
from app.storage.reports.verdicts import CLOSED, MOVES, SETTLING

RISK_KEYS = ("plan", "interval", "country", "decline_kind")


# Of what is owed, what is in the currency of the MRR beside it.
_OWED = """(
        select coalesce(sum(o.minor), 0) from unnest(x.currencies, x.owing) as o (currency, minor)
        where o.currency = m.currency
    )"""


def _standing(told: str) -> str:
    """A table of a `with` about the subscriptions in `told`, each at its cut-off `at`: those that
    are unpaid or will end, with their MRR. By what was recorded by then."""
    return f"""
standing as (
    select x.*, m.*, {_OWED} as owed
    from {told} x
    cross join lateral (
        select v.currency, v.plan, v.interval, v.country, sum(v.delta_minor) as mrr
        from mrr_movements v
        where v.account_id = x.account_id and v.subscription_id = x.subscription_id
            and v.merchant_id = :merchant and v.recorded_at <= x.at
        group by 1, 2, 3, 4 having sum(v.delta_minor) > 0
    ) m
    where x.is_unpaid or x.is_ending
)"""  # noqa: S608 - words of ours


def _open_cases(at: str) -> str:
    """Cases `c` that are open at the cut-off, each with the version of its failure that counts.
    Most are over: the failure is only asked of what is not."""
    return f"""cases c
    cross join lateral (
        select * from failures f
        where f.account_id = c.account_id and f.invoice_id = c.invoice_id
            and f.recorded_at <= {at}
        order by f.version desc limit 1
    ) f
    where c.merchant_id = :merchant and c.kind = 'payment' and coalesce((
            select v.type not in {CLOSED} from case_events v
            where v.merchant_id = :merchant and v.case_id = c.case_id and v.at <= {at}
                and v.type in {MOVES}
            order by v.at desc, v.seq desc, v.event_id desc limit 1
        ), true)"""  # noqa: S608 - words of ours


def _owing(at: str) -> str:
    """What is owed on some open cases. What was paid is only asked of what is open."""
    return f"""count(*) as n, min(c.decline_kind) as decline_kind,
        array_agg(f.currency) as currencies, array_agg(greatest(f.amount_minor - coalesce((
            select sum(e.amount_minor) from recovery_entries e
            where e.account_id = f.account_id and e.invoice_id = f.invoice_id
                and e.currency = f.currency and e.kind in {SETTLING}
                and e.recorded_at <= {at}
        ), 0), 0)) as owing"""  # noqa: S608 - words of ours


def _planned(at: str) -> str:
    """Records `r` of ends that were planned by the cut-off and not taken back."""
    return f"""churn_records r
        where r.merchant_id = :merchant and r.entry = 'pending' and r.recorded_at <= {at}
            and not exists (
                select from churn_records over
                where over.account_id = r.account_id and over.subscription_id = r.subscription_id
                    and over.about = r.record_id and over.recorded_at <= {at}
            )"""


_KINDS = """cross join lateral (
    select 'at_risk' as kind where x.is_unpaid
    union all select 'owed' where x.is_unpaid
    union all select 'ending' where x.is_ending
    union all select 'both' where x.is_unpaid and x.is_ending
    union all select 'either'
) w"""
_MINOR = "case when w.kind = 'owed' then x.owed else x.mrr end"
# A case is open at a cut-off if it is now and nothing moved it since; else its timeline tells.
AT_RISK = text(f"""
with moved as (
    select case_id from cases where merchant_id = :merchant and state in ('active', 'parked')
    union
    select case_id from case_events
    where merchant_id = :merchant and at > :as_of and type in {MOVES}
), unpaid as (
    select c.account_id, c.subscription_id, {_owing(":as_of")}
    from moved join {_open_cases(":as_of").replace("cases c", "cases c using (case_id)", 1)}
        and c.subscription_id is not null
    group by 1, 2
), ending as (
    select distinct r.account_id, r.subscription_id from {_planned(":as_of")}
), told as (
    select account_id, subscription_id, :as_of as at, u.n is not null as is_unpaid,
        u.decline_kind, u.currencies, u.owing, e.account_id is not null as is_ending
    from unpaid u full join ending e using (account_id, subscription_id)
    offset 0
), {_standing("told")}
select x.currency, w.kind,
    {", ".join(f"case when :by_{n} then nullif(x.{n}, '') end as {n}" for n in RISK_KEYS)},
    count(*) as n, sum({_MINOR}) as minor
from standing x {_KINDS}
where :currency is null or x.currency = :currency
group by 1, 2, 3, 4, 5, 6
""").bindparams(  # noqa: S608 - words of ours
    *(bindparam(name, type_=Text) for name in ("merchant", "currency")),
    bindparam("as_of", type_=DateTime(timezone=True)),
    *(bindparam(f"by_{name}", type_=Boolean) for name in RISK_KEYS),
)
# Most movements are of subscriptions that never were at risk.
_CONCERNED = """(exists (
        select from cases c
        where c.subscription_id = v.subscription_id and c.account_id = v.account_id
    ) or exists (
        select from churn_records r
        where r.account_id = v.account_id and r.subscription_id = v.subscription_id
            and r.entry = 'pending'
    ))"""
# What stands of a subscription from one time that something was recorded of it until the next: it
# comes then, and is taken back next time. What stood before is taken back the first time.
CHANGED = f"""
with touched as (
    select c.account_id, c.subscription_id, {stretch_of("v.at")} as stretch
    from case_events v join cases c using (case_id)
    where v.merchant_id = :merchant and v.at > :after and v.at <= :until and v.type in {MOVES}
        and c.subscription_id is not null
    union
    select account_id, subscription_id, {stretch_of("recorded_at")} from failures
    where {SINCE} and subscription_id is not null
    union
    select c.account_id, c.subscription_id, e.stretch
    from (
        select *, {stretch_of("recorded_at")} as stretch
        from recovery_entries where {SINCE} and kind in {SETTLING}
    ) e
    join cases c on c.account_id = e.account_id and c.invoice_id = e.invoice_id
    where c.subscription_id is not null
    union
    select account_id, subscription_id, {stretch_of("recorded_at")} from mrr_movements v
    where {SINCE} and {_CONCERNED}
    union
    select account_id, subscription_id, {stretch_of("recorded_at")} from churn_records where {SINCE}
), points as ({points_of("touched", "account_id, subscription_id")}), told as (
    select s.*, u.n is not null as is_unpaid, u.decline_kind, u.currencies, u.owing, exists (
            select from {_planned("s.at")}
                and r.account_id = s.account_id and r.subscription_id = s.subscription_id
        ) as is_ending
    from points s
    left join lateral (
        select {_owing("s.at")}
        from {_open_cases("s.at")}
            and c.subscription_id = s.subscription_id and c.account_id = s.account_id
    ) u on u.n > 0
    offset 0
), {_standing("told")}
select {ends_of("t.stretch")} - interval '1 microsecond' as happened_at,
    null::timestamptz as since, t.stretch, x.currency, w.kind, t.sign as n,
    t.sign * {_MINOR} as minor, coalesce(x.plan, '') as plan,
    coalesce(x.interval, '') as interval, coalesce(x.country, '') as country
from standing x {_KINDS} {SIGNED.format("x")}
"""  # noqa: S608 - words of ours
