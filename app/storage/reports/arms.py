"""The arms of the holdout, as SQL: asked at a cut-off, or what changed between two instants."""

from sqlalchemy import DateTime, Double, Text, bindparam, text

from app.domain.openings import RETRY_EXPERIMENT
from app.domain.rollups import ARM_MEASURES, KEPT_MONTHS, WINDOWS
from app.storage.reports.days import day_of, months_of
from app.storage.reports.stretches import SIGNED, SINCE, points_of, stretch_of
from app.storage.reports.verdicts import decided, newest

_INSTANT = DateTime(timezone=True)
_DECIDED = decided("chosen", name="decided", windows={"w": "make_interval(secs => :within_s)"})
# Added up per customer first: who fails twice is one observation.
ARMS = text(f"""
with chosen as (
    select :as_of as at, f.*
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

_OURS = f"a.merchant_id = :merchant and a.experiment = '{RETRY_EXPERIMENT}'"


def _each(form: str) -> str:
    return ", ".join(form.format(days=days) for days in WINDOWS)


# All failures of customers of whom something was recorded, as they stood when it was and before.
# Their days are added up first, so that a customer is as many rows as they have days. What is
# theirs is looked up at each point: joined, it might be compared with all that is touched.
_SEEN = f"""
touched as (
    select account_id, invoice_id, {stretch_of("recorded_at")} as stretch
    from failures where {SINCE}
    union
    select account_id, invoice_id, {stretch_of("recorded_at")}
    from recovery_entries where {SINCE} and kind = 'recovered'
), whose as (
    select distinct coalesce('c' || a.customer_id, 'u' || a.unit) as who, a.customer_id,
        case when a.customer_id is null then a.unit end as unit, t.stretch
    from touched t
    join cases c on c.account_id = t.account_id and c.invoice_id = t.invoice_id
    join assignments a on {_OURS} and a.unit = c.case_id
), points as ({points_of("whose", "who, customer_id, unit")}), seen as materialized (
    select u.arm, p.who, p.stretch, p.next, f.currency, {day_of("f.failed_at")} as day,
        count(*) as n, sum(f.amount_minor) as f,
        {_each("sum(least(e.c_{days}, f.amount_minor)) as c_{days}")}
    from points p
    cross join lateral (
        select a.unit, a.arm from assignments a where {_OURS} and a.customer_id = p.customer_id
        union all
        select a.unit, a.arm from assignments a
        where {_OURS} and p.customer_id is null and a.unit = p.unit
    ) u
    join cases c on c.case_id = u.unit
    cross join lateral (
        select * from failures f
        where f.account_id = c.account_id and f.invoice_id = c.invoice_id
            and f.merchant_id = :merchant and f.recorded_at <= p.at
        order by f.version desc limit 1
    ) f
    cross join lateral (
        select {
    _each(
        "coalesce(sum(e.amount_minor) filter (where e.occurred_at"
        " <= f.failed_at + interval '24 hours' * {days}), 0) as c_{days}"
    )
}
        from recovery_entries e
        where e.merchant_id = :merchant and e.account_id = f.account_id
            and e.invoice_id = f.invoice_id and e.currency = f.currency
            and e.kind = 'recovered' and e.recorded_at <= p.at
    ) e
    where f.case_id = u.unit and not f.trial_conversion
    group by 1, 2, 3, 4, 5, 6
)"""  # noqa: S608 - words of ours
# By day, and beside it by month of those earlier days that a customer failed on too.
ARMS_CHANGED = f"""
with {_SEEN}, days as (
    select *, lag(day) over (partition by arm, who, stretch, currency order by day) as last
    from seen
), pairs as (
    select b.arm, b.stretch, b.next, b.currency, b.day, date_trunc('month', a.day)::date as since,
        bool_or(a.day = b.last) as is_next, b.f, {_each("b.c_{days}")},
        sum(a.f) as f_before, {_each("sum(a.c_{days}) as c_{days}_before")}
    from days b
    join seen a on a.arm = b.arm and a.who = b.who and a.stretch = b.stretch
        and a.currency = b.currency and a.day < b.day
    where b.last is not null and {months_of("b.day")} - {months_of("a.day")} < {KEPT_MONTHS}
    group by b.arm, b.who, b.stretch, b.next, b.currency, b.day, 6, b.f, {_each("b.c_{days}")}
), standing as (
    select arm, stretch, next, currency, day, null::date as since, n, 1 as customers,
        f as failed_minor, {_each("c_{days} as cash_{days}_minor")}, f * f as failed_failed,
        {_each("f * c_{days} as failed_cash_{days}")},
        {_each("c_{days} * c_{days} as cash_cash_{days}")}
    from days
    union all
    select arm, stretch, next, currency, day, since, 0, -is_next::int, 0, {_each("0")},
        2 * f * f_before, {_each("f * c_{days}_before + c_{days} * f_before")},
        {_each("2 * c_{days} * c_{days}_before")}
    from pairs
), arms as (
    select x.arm, t.stretch, x.currency, x.day, x.since, {
    ", ".join(f"sum(t.sign * {name}) as {name}" for name in ARM_MEASURES)
}
    from standing x {SIGNED.format("x")}
    group by 1, 2, 3, 4, 5
    having {" or ".join(f"sum(t.sign * {name}) <> 0" for name in ARM_MEASURES)}
)"""  # noqa: S608 - words of ours
