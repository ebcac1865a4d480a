"""The ledger and the provider's payments side by side, per failed invoice that had a case: of
those that by rule had none the ledger knows no money.

Asked at a cut-off, or as lines: what changed between two instants, what was before taken back.
"""

from typing import Any

from sqlalchemy import BigInteger, BindParameter, DateTime, Text, bindparam, text

from app.storage.reports.stretches import SIGNED, SINCE, points_of, stretch_of
from app.storage.reports.verdicts import newest

SIDES = ("recovered", "paid", "refunded", "given_back")
# An invoice about which they disagree.
DIFFERING = "differing"
SIDE_KEYS = ("account", "invoice")
_SUMS = """
    cross join lateral (
        select coalesce(sum(e.amount_minor) filter (where e.kind = 'recovered'), 0) as recovered,
            coalesce(-sum(e.amount_minor) filter (where e.kind = 'refunded'), 0) as refunded
        from recovery_entries e
        where e.merchant_id = :merchant and e.account_id = f.account_id
            and e.invoice_id = f.invoice_id and e.currency = f.currency
            and e.recorded_at <= {at}
    ) l
    cross join lateral (
        select coalesce(sum(y.paid_minor), 0) as paid,
            coalesce(sum(y.refunded_minor), 0) as given_back
        from takings y
        where y.merchant_id = :merchant and y.account_id = f.account_id
            and y.invoice_id = f.invoice_id and y.currency = f.currency
            and y.occurred_at > f.failed_at and y.recorded_at <= {at}
    ) p
"""
_SIDES = f"""
with sides as (
    select f.account_id, f.invoice_id, f.currency, l.recovered, p.paid, l.refunded, p.given_back
    from failures f {_SUMS.format(at=":as_of")}
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
_KINDS = ", ".join(f"('{name}', {int(not n)}, s.{name})" for n, name in enumerate(SIDES))
# Most payments are of invoices that never failed.
_FAILED = """exists (
        select from failures f
        where f.merchant_id = :merchant and f.account_id = y.account_id
            and f.invoice_id = y.invoice_id
    )"""
# Invoices are named where they differ, and only there: what agrees is one cell of a day.
SIDES_CHANGED = f"""
with touched as (
    select account_id, invoice_id, {stretch_of("recorded_at")} as stretch
    from failures where {SINCE}
    union
    select account_id, invoice_id, {stretch_of("recorded_at")} from recovery_entries
    where {SINCE} and kind in ('recovered', 'refunded')
    union
    select account_id, invoice_id, {stretch_of("recorded_at")}
    from takings y where {SINCE} and {_FAILED}
), points as ({points_of("touched", "account_id, invoice_id")}), sides as (
    select t.stretch, t.next, f.failed_at, f.account_id, f.invoice_id, f.currency, l.recovered,
        p.paid, l.refunded, p.given_back
    from points t
    cross join lateral (
        select * from failures f
        where f.account_id = t.account_id and f.invoice_id = t.invoice_id
            and f.merchant_id = :merchant and f.recorded_at <= t.at
        order by f.version desc limit 1
    ) f {_SUMS.format(at="t.at")}
    where f.exclusion is null
)
select s.failed_at as happened_at, null::timestamptz as since, t.stretch, s.currency, w.kind,
    t.sign * w.n as n, t.sign * w.minor as minor,
    case when {_DIFFERS} then account_id else '' end as account,
    case when {_DIFFERS} then invoice_id else '' end as invoice
from sides s {SIGNED.format("s")}
cross join lateral (
    values {_KINDS}, ('{DIFFERING}', ({_DIFFERS})::int, 0)
) w (kind, n, minor)
where w.n <> 0 or w.minor <> 0
"""  # noqa: S608 - words of ours
