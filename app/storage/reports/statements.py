"""What the figures ask of PostgreSQL.

The cut-off is a bound instant, never the database's clock. Time zones are not computed here:
periods come as instants, and their outer edges once more, because
the planner sees no bounds in arrays. A key that is not grouped by is null in every row, so that one
statement serves every grouping.
"""

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Interval, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

_INSTANT = DateTime(timezone=True)
_EXCERPT = (
    bindparam("merchant", type_=Text),
    bindparam("as_of", type_=_INSTANT),
    bindparam("currency", type_=Text),
)
_PERIODS = (
    bindparam("days", type_=ARRAY(Date)),
    bindparam("starts", type_=ARRAY(_INSTANT)),
    bindparam("ends", type_=ARRAY(_INSTANT)),
    bindparam("starts_at", type_=_INSTANT),
    bindparam("ends_at", type_=_INSTANT),
)
_KEYS = (bindparam("by_plan", type_=Boolean), bindparam("by_interval", type_=Boolean))

TIME_ZONE = text("select time_zone from merchants where merchant_id = :merchant").bindparams(
    bindparam("merchant", type_=Text)
)

RECOVERED = text("""
select p.day as period, e.currency,
    case when :by_cause then e.cause end as cause,
    case when :by_plan then e.plan end as plan,
    case when :by_interval then e.interval end as interval,
    coalesce(sum(e.amount_minor) filter (where e.kind = 'recovered'), 0) as recovered_minor,
    coalesce(sum(e.amount_minor) filter (where e.kind = 'settled_other'), 0)
        as settled_other_minor,
    coalesce(sum(e.amount_minor) filter (where e.kind in ('credited', 'credit_voided')), 0)
        as credited_minor,
    coalesce(-sum(e.amount_minor) filter (where e.kind in ('refunded', 'refund_failed')), 0)
        as refunded_minor,
    coalesce(-sum(e.amount_minor) filter (where e.kind = 'dispute_lost'), 0)
        as dispute_lost_minor,
    coalesce(sum(e.amount_minor) filter (where e.kind = 'dispute_won'), 0) as dispute_won_minor
from unnest(:days, :starts, :ends) as p (day, starts_at, ends_at)
join recovery_entries e
    on e.merchant_id = :merchant and e.occurred_at >= p.starts_at and e.occurred_at < p.ends_at
where e.occurred_at >= :starts_at and e.occurred_at < :ends_at and e.recorded_at <= :as_of
    and (:currency is null or e.currency = :currency)
group by 1, 2, 3, 4, 5
""").bindparams(*_EXCERPT, *_PERIODS, *_KEYS, bindparam("by_cause", type_=Boolean))

LEDGER = text("""
select currency, sum(amount_minor) as minor
from recovery_entries
where merchant_id = :merchant and occurred_at >= :starts_at and occurred_at < :ends_at
    and recorded_at <= :as_of and (:currency is null or currency = :currency)
group by 1
""").bindparams(
    *_EXCERPT, bindparam("starts_at", type_=_INSTANT), bindparam("ends_at", type_=_INSTANT)
)

# `chosen`: the version of each failure that counts at the cut-off. `settled`: its money by then.
# `within` counts cash first and what else settled it after, together no more than had failed.
# Whether a case was open is read from its timeline, where each move stands under the state's
# name: the case itself only knows its present.
COHORTS = text("""
with chosen as (
    select p.day, f.*
    from unnest(:days, :starts, :ends) as p (day, starts_at, ends_at)
    join failures f
        on f.merchant_id = :merchant and f.failed_at >= p.starts_at and f.failed_at < p.ends_at
    where f.failed_at >= :starts_at and f.failed_at < :ends_at and f.recorded_at <= :as_of
        and (:currency is null or f.currency = :currency)
        and (:before is null or f.failed_at < :before)
        and not exists (
            select from failures later
            where later.merchant_id = f.merchant_id and later.account_id = f.account_id
                and later.invoice_id = f.invoice_id and later.version > f.version
                and later.recorded_at <= :as_of
        )
), settled as (
    select c.day, c.account_id, c.invoice_id, c.case_id, c.currency, c.amount_minor, c.plan,
        c.interval, c.trial_conversion, c.exclusion,
        coalesce(sum(e.amount_minor) filter (
            where e.kind = 'recovered' and e.occurred_at <= c.failed_at + :within
        ), 0) as cash_within,
        coalesce(sum(e.amount_minor) filter (
            where e.kind = 'settled_other' and e.occurred_at <= c.failed_at + :within
        ), 0) as other_within,
        greatest(c.amount_minor - coalesce(sum(e.amount_minor), 0), 0) as owed
    from chosen c
    left join recovery_entries e
        on e.merchant_id = :merchant and e.account_id = c.account_id
        and e.invoice_id = c.invoice_id and e.currency = c.currency
        and e.kind in ('recovered', 'settled_other', 'credited', 'credit_voided')
        and e.recorded_at <= :as_of
    group by c.day, c.account_id, c.invoice_id, c.case_id, c.currency, c.amount_minor, c.plan,
        c.interval, c.trial_conversion, c.exclusion, c.failed_at
), decided as materialized (
    select s.*,
        least(s.cash_within, s.amount_minor) as cash_counted,
        least(s.other_within, greatest(s.amount_minor - s.cash_within, 0)) as other_counted,
        s.owed > 0 and s.case_id is not null and coalesce((
            select v.type not in ('recovered', 'exhausted', 'stopped')
            from case_events v
            where v.merchant_id = :merchant and v.case_id = s.case_id and v.at <= :as_of
                and v.type in ('active', 'parked', 'recovered', 'exhausted', 'stopped')
            order by v.at desc, v.seq desc, v.event_id desc
            limit 1
        ), true) as open
    from settled s
)
select d.day as period, d.currency,
    case when :by_plan then d.plan end as plan,
    case when :by_interval then d.interval end as interval,
    d.trial_conversion,
    count(*) as n,
    count(*) filter (where open) as n_open,
    count(*) filter (where exclusion is not null) as n_excluded,
    sum(amount_minor) as failed_minor,
    sum(cash_counted) as recovered_within_w_minor,
    sum(other_counted) as settled_other_within_w_minor,
    coalesce(sum(owed) filter (where open), 0) as open_minor,
    coalesce(sum(amount_minor) filter (where exclusion is not null), 0) as excluded_minor
from decided d
where not (:closed_only and open)
group by 1, 2, 3, 4, 5
""").bindparams(
    *_EXCERPT,
    *_PERIODS,
    *_KEYS,
    bindparam("before", type_=_INSTANT),
    bindparam("within", type_=Interval),
    bindparam("closed_only", type_=Boolean),
)

ENTRIES = text("""
select entry_id, merchant_id, account_id, invoice_id, case_id, kind, cause, assisted_by, currency,
    amount_minor, tax_minor, plan, interval, provider_ref, failed_at, occurred_at, recorded_at
from recovery_entries
where merchant_id = :merchant and occurred_at >= :starts_at and occurred_at < :ends_at
    and recorded_at <= :as_of and (:currency is null or currency = :currency)
    and (:cause is null or cause = :cause)
    and (:kind is null or kind = :kind)
    and (:plan is null or plan = :plan)
    and (occurred_at, entry_id) > (:after_at, :after_id)
order by occurred_at, entry_id
limit :limit
""").bindparams(
    *_EXCERPT,
    *(bindparam(name, type_=_INSTANT) for name in ("starts_at", "ends_at", "after_at")),
    *(bindparam(name, type_=Text) for name in ("cause", "kind", "plan", "after_id")),
    bindparam("limit", type_=BigInteger),
)
