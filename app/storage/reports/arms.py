"""The arms of the holdout, as SQL."""

from sqlalchemy import DateTime, Double, Text, bindparam, text

from app.storage.reports.verdicts import decided, newest

_INSTANT = DateTime(timezone=True)
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
