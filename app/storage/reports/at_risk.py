"""What may be lost: subscriptions with an unpaid invoice or a planned end, as SQL.

Asked at a cut-off, or as lines: what changed between two instants, what was before taken back.
"""

from sqlalchemy import Boolean, DateTime, Text, bindparam, text

from app.storage.reports.verdicts import CLOSED, MOVES, SETTLING

RISK_KEYS = ("plan", "interval", "country", "decline_kind")


def _standing(name: str, as_of: str, chosen: str) -> str:
    """Tables of a `with`: what of the subscriptions in `chosen` is unpaid or will end at a cut-off,
    with its MRR; the last is called `name`. By what was recorded by then alone."""
    unpaid, ending = _unpaid(as_of, chosen), _ending(as_of, chosen)
    return f"""
{name}_unpaid as materialized ({unpaid}), {name}_ending as materialized ({ending}
), {name}_either as materialized (
    select account_id, subscription_id, u.decline_kind, u.owed,
        u.subscription_id is not null as is_unpaid, g.subscription_id is not null as is_ending
    from {name}_unpaid u
    full join {name}_ending g using (account_id, subscription_id)
), {name} as materialized (
    select m.*, x.decline_kind, x.owed, x.is_unpaid, x.is_ending
    from {name}_either x
    cross join lateral (
        select v.currency, v.plan, v.interval, v.country, sum(v.delta_minor) as mrr
        from mrr_movements v
        where v.account_id = x.account_id and v.subscription_id = x.subscription_id
            and v.merchant_id = :merchant and v.recorded_at <= {as_of}
        group by 1, 2, 3, 4 having sum(v.delta_minor) > 0
    ) m
)"""  # noqa: S608 - words of ours


def _unpaid(as_of: str, chosen: str) -> str:
    """What is owed of each subscription with an open case at the cut-off."""
    return f"""
    select s.account_id, s.subscription_id, sum(o.owed) as owed,
        min(c.decline_kind) as decline_kind
    from {chosen} s
    join cases c on c.subscription_id = s.subscription_id and c.account_id = s.account_id
        and c.merchant_id = :merchant and c.kind = 'payment'
    cross join lateral (
        select greatest(f.amount_minor - coalesce((
                select sum(e.amount_minor) from recovery_entries e
                where e.account_id = f.account_id and e.invoice_id = f.invoice_id
                    and e.currency = f.currency and e.kind in {SETTLING}
                    and e.recorded_at <= {as_of}
            ), 0), 0) as owed
        from failures f
        where f.account_id = c.account_id and f.invoice_id = c.invoice_id
            and f.recorded_at <= {as_of}
        order by f.version desc limit 1
    ) o
    where coalesce((
        select v.type not in {CLOSED} from case_events v
        where v.merchant_id = :merchant and v.case_id = c.case_id and v.at <= {as_of}
            and v.type in {MOVES}
        order by v.at desc, v.seq desc, v.event_id desc limit 1
    ), true)
    group by 1, 2
"""  # noqa: S608 - words of ours


def _ending(as_of: str, chosen: str) -> str:
    """Subscriptions that were told to end, and whose end nobody took back by the cut-off."""
    return f"""
    select distinct r.account_id, r.subscription_id
    from {chosen} s
    join churn_records r on r.account_id = s.account_id
        and r.subscription_id = s.subscription_id
    where r.merchant_id = :merchant and r.entry = 'pending' and r.recorded_at <= {as_of}
        and not exists (
            select from churn_records over
            where over.account_id = r.account_id and over.subscription_id = r.subscription_id
                and over.about = r.record_id and over.recorded_at <= {as_of}
        )"""  # noqa: S608 - words of ours


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
), chosen as materialized (
    select c.account_id, c.subscription_id from moved join cases c using (case_id)
    where c.subscription_id is not null
    union
    select account_id, subscription_id from churn_records
    where merchant_id = :merchant and entry = 'pending' and recorded_at <= :as_of
), {_standing("standing", ":as_of", "chosen")}
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
_SINCE = "merchant_id = :merchant and recorded_at > :after and recorded_at <= :until"


def _told(name: str, sign: str) -> str:
    return f"""select x.currency, w.kind, {sign}1 as n, {sign}{_MINOR} as minor,
    coalesce(x.plan, '') as plan, coalesce(x.interval, '') as interval
from {name} x {_KINDS}"""  # noqa: S608 - words of ours


CHANGED = f"""
with touched as materialized (
    select c.account_id, c.subscription_id
    from case_events v join cases c using (case_id)
    where v.merchant_id = :merchant and v.at > :after and v.at <= :until and v.type in {MOVES}
        and c.subscription_id is not null
    union
    select account_id, subscription_id from failures
    where {_SINCE} and subscription_id is not null
    union
    select c.account_id, c.subscription_id
    from (select * from recovery_entries where {_SINCE} and kind in {SETTLING}) e
    join cases c on c.account_id = e.account_id and c.invoice_id = e.invoice_id
    where c.subscription_id is not null
    union
    select account_id, subscription_id from mrr_movements where {_SINCE}
    union
    select account_id, subscription_id from churn_records where {_SINCE}
), {_standing("standing", ":until", "touched")}, {_standing("stood", ":after", "touched")}
select :until as happened_at, null::timestamptz as since, t.*
from ({_told("standing", "")} union all {_told("stood", "-")}) t
"""  # noqa: S608 - words of ours
