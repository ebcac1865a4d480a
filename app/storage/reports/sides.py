"""The ledger and the provider's payments side by side, per failed invoice that had a case: of
those that by rule had none the ledger knows no money."""

from typing import Any

from sqlalchemy import BigInteger, BindParameter, DateTime, Text, bindparam, text

from app.storage.reports.verdicts import newest

_SIDES = f"""
with sides as (
    select f.account_id, f.invoice_id, f.currency, l.recovered, p.paid, l.refunded, p.given_back
    from failures f
    cross join lateral (
        select coalesce(sum(e.amount_minor) filter (where e.kind = 'recovered'), 0) as recovered,
            coalesce(-sum(e.amount_minor) filter (where e.kind = 'refunded'), 0) as refunded
        from recovery_entries e
        where e.merchant_id = :merchant and e.account_id = f.account_id
            and e.invoice_id = f.invoice_id and e.currency = f.currency
            and e.recorded_at <= :as_of
    ) l
    cross join lateral (
        select coalesce(sum(y.amount_minor), 0) as paid,
            coalesce(sum(y.refunded_minor), 0) as given_back
        from payments y
        where y.merchant_id = :merchant and y.account_id = f.account_id
            and y.invoice_id = f.invoice_id and y.currency = f.currency
            and y.status = 'succeeded' and y.occurred_at > f.failed_at and y.occurred_at <= :as_of
    ) p
    where f.merchant_id = :merchant and f.failed_at >= :starts_at and f.failed_at < :ends_at
        and f.exclusion is null
        and (:currency is null or f.currency = :currency) and {newest(":as_of")}
)
"""  # noqa: S608 - words of ours
_DIFFERS = "(recovered, refunded) <> (paid, given_back)"
_BOUNDS: tuple[BindParameter[Any], ...] = (
    *(bindparam(name, type_=Text) for name in ("merchant", "currency")),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("as_of", "starts_at", "ends_at")),
)
DIFFERENCES = text(f"""{_SIDES}
select account_id, invoice_id, currency, recovered, paid, refunded, given_back
from sides
where {_DIFFERS} and (account_id, invoice_id) > (:after_account, :after_invoice)
order by account_id, invoice_id
limit :limit
""").bindparams(  # noqa: S608 - words of ours
    *_BOUNDS,
    *(bindparam(name, type_=Text) for name in ("after_account", "after_invoice")),
    bindparam("limit", type_=BigInteger),
)
BOTH = text(f"""{_SIDES}
select currency, count(*) as n_invoices, count(*) filter (where {_DIFFERS}) as n_differences,
    sum(recovered) as recovered, sum(paid) as paid, sum(refunded) as refunded,
    sum(given_back) as given_back
from sides
group by 1
""").bindparams(*_BOUNDS)  # noqa: S608 - words of ours
