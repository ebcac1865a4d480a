"""What stands at a cut-off: subscriptions that may be lost, and the arms of the holdout."""

from sqlalchemy import Boolean, DateTime, Double, Text, bindparam, text

from app.storage.reports.verdicts import CLOSED, MOVES, decided, newest

_INSTANT = DateTime(timezone=True)
RISK_KEYS = ("plan", "interval", "country", "decline_kind")
# A case that is closed now but was not then, or the other way round, is told by its timeline.
AT_RISK = text(f"""
with unpaid as (
    select c.account_id, c.subscription_id, sum(c.due_minor) as owed,
        min(c.decline_kind) as decline_kind
    from cases c
    where c.merchant_id = :merchant and c.kind = 'payment' and c.subscription_id is not null
        and c.opened_at <= :as_of and (c.closed_at is null or c.closed_at > :as_of)
        and coalesce((
            select v.type not in {CLOSED} from case_events v
            where v.merchant_id = :merchant and v.case_id = c.case_id and v.at <= :as_of
                and v.type in {MOVES}
            order by v.at desc, v.seq desc, v.event_id desc limit 1
        ), true)
    group by 1, 2
), ending as (
    select distinct r.account_id, r.subscription_id
    from churn_records r
    where r.merchant_id = :merchant and r.entry = 'pending' and r.recorded_at <= :as_of
        and not exists (
            select from churn_records over
            where over.account_id = r.account_id and over.subscription_id = r.subscription_id
                and over.about = r.record_id and over.recorded_at <= :as_of
        )
), either as (
    select account_id, subscription_id from unpaid
    union
    select account_id, subscription_id from ending
), standing as (
    select v.currency, sum(v.delta_minor) as mrr, s.plan, s.interval, k.country, u.decline_kind,
        u.owed, u.subscription_id is not null as is_unpaid,
        g.subscription_id is not null as is_ending
    from either e
    join mrr_movements v
        on v.account_id = e.account_id and v.subscription_id = e.subscription_id
        and v.merchant_id = :merchant and v.recorded_at <= :as_of and v.effective_at <= :as_of
    left join unpaid u
        on u.account_id = e.account_id and u.subscription_id = e.subscription_id
    left join ending g
        on g.account_id = e.account_id and g.subscription_id = e.subscription_id
    left join subscriptions s
        on s.account_id = e.account_id and s.subscription_id = e.subscription_id
    left join customers k on k.account_id = s.account_id and k.customer_id = s.customer_id
    group by e.account_id, e.subscription_id, v.currency, s.plan, s.interval, k.country,
        u.decline_kind, u.owed, u.subscription_id, g.subscription_id
    having sum(v.delta_minor) > 0
)
select x.currency, w.kind,
    {", ".join(f"case when :by_{n} then nullif(x.{n}, '') end as {n}" for n in RISK_KEYS)},
    count(*) as n, sum(case when w.kind = 'owed' then x.owed else x.mrr end) as minor
from standing x
cross join lateral (
    select 'at_risk' as kind where x.is_unpaid
    union all select 'owed' where x.is_unpaid
    union all select 'ending' where x.is_ending
    union all select 'both' where x.is_unpaid and x.is_ending
    union all select 'either'
) w
where :currency is null or x.currency = :currency
group by 1, 2, 3, 4, 5, 6
""").bindparams(  # noqa: S608 - words of ours
    *(bindparam(name, type_=Text) for name in ("merchant", "currency")),
    bindparam("as_of", type_=_INSTANT),
    *(bindparam(f"by_{name}", type_=Boolean) for name in RISK_KEYS),
)
_DECIDED = decided(
    "chosen", name="decided", as_of=":as_of", windows={"w": "make_interval(secs => :within_s)"}
)
# Added up per customer first: who fails twice is one observation.
ARMS = text(f"""
with chosen as (
    select f.failed_at as day, f.*
    from failures f
    where f.merchant_id = :merchant and f.failed_at >= :starts_at and f.failed_at < :ends_at
        and (:currency is null or f.currency = :currency) and not f.trial_conversion
        and f.case_id is not null and {newest(":as_of")}
), {_DECIDED}, customers as (
    select d.currency, a.arm, coalesce(a.customer_id, d.invoice_id) as customer, count(*) as n,
        sum(d.amount_minor) as f, sum(d.cash_w) as c
    from decided d
    join assignments a
        on a.merchant_id = :merchant and a.experiment = :experiment and a.unit = d.case_id
    group by 1, 2, 3
)
select currency, arm, count(*) as customers, sum(n) as invoices, sum(f) as f, sum(c) as c,
    sum(f * f) as ff, sum(f * c) as fc, sum(c * c) as cc
from customers
group by 1, 2
""").bindparams(  # noqa: S608 - words of ours
    *(bindparam(name, type_=Text) for name in ("merchant", "currency", "experiment")),
    *(bindparam(name, type_=_INSTANT) for name in ("as_of", "starts_at", "ends_at")),
    bindparam("within_s", type_=Double),
)
