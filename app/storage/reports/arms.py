"""The arms of the holdout, as SQL: asked at a cut-off, or what changed between two instants."""

from collections.abc import Collection, Mapping

from sqlalchemy import DateTime, Double, Text, bindparam, text

from app.domain.openings import RETRY_EXPERIMENT
from app.domain.rollups import ARM_STEPS, KEPT_MONTHS, LONGEST_WINDOW
from app.storage.reports.days import day_of, months_of
from app.storage.reports.stretches import SIGNED, SINCE, points_of, stretch_of
from app.storage.reports.verdicts import days_since, decided, newest

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


def _each(windows: Collection[str], form: str) -> str:
    return ", ".join(form.format(w=name) for name in windows)


# All failures of customers of whom something was recorded, as they stood when it was and before.
# Their days are added up first, so that a customer is as many rows as they have days, and one more
# for each day since the failure on which money came. What is theirs is looked up at each point:
# joined, it might be compared with all that is touched.
_TOUCHED = f"""
    select account_id, invoice_id, {stretch_of("recorded_at")} as stretch
    from failures where {SINCE}
    union
    select account_id, invoice_id, {stretch_of("recorded_at")}
    from recovery_entries where {SINCE} and kind = 'recovered'
"""  # noqa: S608 - words of ours
# Of those that may lie before an instant: what failed since is the later day of each of its pairs,
# and changes no earlier day.
_TOUCHED_BEFORE = f"""
    select account_id, invoice_id, {stretch_of("recorded_at")} as stretch
    from failures where {SINCE} and (failed_at < :before or version > 1)
    union
    select account_id, invoice_id, {stretch_of("recorded_at")}
    from recovery_entries e where {SINCE} and kind = 'recovered' and exists (
        select from failures f
        where f.account_id = e.account_id and f.invoice_id = e.invoice_id
            and f.merchant_id = :merchant and f.failed_at < :before
    )
"""  # noqa: S608 - words of ours
_CAME = f"""
whose as (
    select distinct coalesce('c' || a.customer_id, 'u' || a.unit) as who, a.customer_id,
        case when a.customer_id is null then a.unit end as unit, t.stretch
    from touched t
    join cases c on c.account_id = t.account_id and c.invoice_id = t.invoice_id
    join assignments a on {_OURS} and a.unit = c.case_id
), points as ({points_of("whose", "who, customer_id, unit")}), came as materialized (
    select u.arm, p.who, p.stretch, p.next, f.currency, {day_of("f.failed_at")} as day, s.days,
        sum(s.n) as n, sum(s.failed) as f, sum(s.cash) as c
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
        select null::bigint as days, 1 as n, f.amount_minor as failed, 0 as cash
        union all
        select e.days, 0, 0, least(e.till, f.amount_minor) - least(e.till - e.minor, f.amount_minor)
        from (
            select d.days, d.minor, sum(d.minor) over (order by d.days) as till
            from (
                select {days_since("f.failed_at", "e.occurred_at")} as days,
                    sum(e.amount_minor) as minor
                from recovery_entries e
                where e.merchant_id = :merchant and e.account_id = f.account_id
                    and e.invoice_id = f.invoice_id and e.currency = f.currency
                    and e.kind = 'recovered' and e.recorded_at <= p.at
                group by 1
            ) d
        ) e
    ) s
    where f.case_id = u.unit and not f.trial_conversion
    group by 1, 2, 3, 4, 5, 6, 7
)"""  # noqa: S608 - words of ours
MEASURES_OF = ("cash_{w}_minor", "failed_cash_{w}", "cash_cash_{w}")


def measures_of(windows: Collection[str]) -> tuple[str, ...]:
    """The measures of arms within these windows."""
    of_windows = (form.format(w=name) for form in MEASURES_OF for name in windows)
    return ("n", "customers", "failed_minor", "failed_failed", *of_windows)


def arms_changed(windows: Mapping[str, str], *, before: bool = False) -> str:
    """Tables of a `with`, of which the last is `arms`: what changed in them, by day, and beside it
    by month of those earlier days that a customer failed on too.

    Args:
        windows: the days of each as SQL, by its name.
        before: only of the days that end by the instant `:before`; others may be left out.
    """
    sums = ", ".join(
        f"coalesce(sum(c) filter (where days <= {days}), 0) as c_{name}"
        for name, days in windows.items()
    )
    measures = measures_of(windows)
    return f"""
with touched as ({_TOUCHED_BEFORE if before else _TOUCHED}), {_CAME}, seen as materialized (
    select arm, who, stretch, next, currency, day, sum(n) as n, sum(f) as f, {sums}
    from came
    group by 1, 2, 3, 4, 5, 6
), days as (
    select *, lag(day) over (partition by arm, who, stretch, currency order by day) as last
    from seen
), pairs as (
    select b.arm, b.stretch, b.next, b.currency, b.day, date_trunc('month', a.day)::date as since,
        bool_or(a.day = b.last) as is_next, b.f, {_each(windows, "b.c_{w}")},
        sum(a.f) as f_before, {_each(windows, "sum(a.c_{w}) as c_{w}_before")}
    from days b
    join seen a on a.arm = b.arm and a.who = b.who and a.stretch = b.stretch
        and a.currency = b.currency and a.day < b.day
    where b.last is not null and {months_of("b.day")} - {months_of("a.day")} < {KEPT_MONTHS}
    group by b.arm, b.who, b.stretch, b.next, b.currency, b.day, 6, b.f,
        {_each(windows, "b.c_{w}")}
), standing as (
    select arm, stretch, next, currency, day, null::date as since, n, 1 as customers,
        f as failed_minor, f * f as failed_failed, {_each(windows, "c_{w} as cash_{w}_minor")},
        {_each(windows, "f * c_{w} as failed_cash_{w}")},
        {_each(windows, "c_{w} * c_{w} as cash_cash_{w}")}
    from days
    union all
    select arm, stretch, next, currency, day, since, 0, -is_next::int, 0, 2 * f * f_before,
        {_each(windows, "0")}, {_each(windows, "f * c_{w}_before + c_{w} * f_before")},
        {_each(windows, "2 * c_{w} * c_{w}_before")}
    from pairs
), arms as (
    select x.arm, t.stretch, x.currency, x.day, x.since, {
        ", ".join(f"sum(t.sign * {name}) as {name}" for name in measures)
    }
    from standing x {SIGNED.format("x")}
    group by 1, 2, 3, 4, 5
    having {" or ".join(f"sum(t.sign * {name}) <> 0" for name in measures)}
)"""  # noqa: S608 - words of ours


# Steps of the same: of two rows of a customer each has what failed, or what came on a day since. So
# each product is of the day on which both of it were there.
ARM_GAINS = f"""
gained as (
    select b.arm, b.stretch, b.next, b.currency, b.day, greatest(a.days, b.days) as days,
        case when a.day < b.day then date_trunc('month', a.day)::date end as since,
        case when a.day = b.day and a.days is null then b.c else 0 end as cash_minor,
        a.f * b.c + case when a.day < b.day then a.c * b.f else 0 end as failed_cash,
        a.c * b.c * case when a.day < b.day then 2 else 1 end as cash_cash
    from came b
    join came a on a.arm = b.arm and a.who = b.who and a.stretch = b.stretch
        and a.currency = b.currency and a.day <= b.day
    where greatest(a.days, b.days) <= {LONGEST_WINDOW}
        and {months_of("b.day")} - {months_of("a.day")} < {KEPT_MONTHS}
), gains as (
    select x.arm, t.stretch, x.currency, x.day, x.since, x.days,
        {", ".join(f"sum(t.sign * {name}) as {name}" for name in ARM_STEPS)}
    from gained x {SIGNED.format("x")}
    group by 1, 2, 3, 4, 5, 6
    having {" or ".join(f"sum(t.sign * {name}) <> 0" for name in ARM_STEPS)}
)"""  # noqa: S608 - words of ours
