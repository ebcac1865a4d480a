"""What the figures ask of PostgreSQL.

The cut-off is a bound instant, never the database's clock. Time zones are not computed here:
periods come as instants, and their outer edges once more, because
the planner sees no bounds in arrays. A key that is not grouped by is null in every row, so that one
statement serves every grouping.
"""

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Double, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from app.storage.reports.verdicts import AUTOMATIC, decided, newest

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

ATTRIBUTES = text("""
select distinct n.name
from merchants m
cross join lateral jsonb_array_elements_text(m.attributes || m.past_attributes) n (name)
where m.merchant_id = :merchant
order by 1
""").bindparams(bindparam("merchant", type_=Text))

RATES = text("""
select distinct on (currency, day) currency, day, rate
from exchange_rates
where merchant_id = :merchant and reporting = :reporting and day between :first and :last
    and recorded_at <= :as_of
order by currency, day, recorded_at desc, rate_id desc
""").bindparams(
    *(bindparam(name, type_=Text) for name in ("merchant", "reporting", "first", "last")),
    bindparam("as_of", type_=_INSTANT),
)

_DECIDED = decided("chosen", name="decided", windows={"w": "make_interval(secs => :within_s)"})
COHORTS = text(f"""
with chosen as (
    select p.day, :as_of as at, f.*
    from unnest(:days, :starts, :ends) as p (day, starts_at, ends_at)
    join failures f
        on f.merchant_id = :merchant and f.failed_at >= p.starts_at and f.failed_at < p.ends_at
    where f.failed_at >= :starts_at and f.failed_at < :ends_at
        and (:currency is null or f.currency = :currency)
        and (:before is null or f.failed_at < :before)
        and {AUTOMATIC} and {newest(":as_of")}
), {_DECIDED}
select d.day as period, d.currency,
    case when :by_plan then nullif(d.plan, '') end as plan,
    case when :by_interval then nullif(d.interval, '') end as interval,
    d.trial_conversion,
    count(*) as n,
    count(*) filter (where open) as n_open,
    count(*) filter (where exclusion is not null) as n_excluded,
    sum(amount_minor) as failed_minor,
    sum(cash_w) as recovered_within_w_minor,
    sum(other_w) as settled_other_within_w_minor,
    sum(credited_w) as credited_within_w_minor,
    coalesce(sum(owed) filter (where open), 0) as open_minor,
    coalesce(sum(amount_minor) filter (where exclusion is not null), 0) as excluded_minor
from decided d
where not (:closed_only and open)
group by 1, 2, 3, 4, 5
""").bindparams(  # noqa: S608 - words of ours
    *_EXCERPT,
    *_PERIODS,
    *_KEYS,
    bindparam("before", type_=_INSTANT),
    bindparam("within_s", type_=Double),
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
