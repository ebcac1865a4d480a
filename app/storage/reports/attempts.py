"""The first automatic payments of invoices, as lines: refused, or through without a refusal.

A failure that is learned of later takes back what was counted before, be it an earlier version of
it or a payment.
"""

_REFUSED = """t.decline_kind, t.brand as network, c.country
        from failures f
        left join attempts t on t.case_id = f.case_id and t.number = 1
        left join customers c on c.account_id = f.account_id and c.customer_id = f.customer_id"""
_THROUGH = """null as decline_kind, (
            select p.brand from payments p
            where p.account_id = i.account_id and p.invoice_id = i.invoice_id
                and p.status = 'succeeded'
            order by p.occurred_at, p.payment_id limit 1
        ) as network, i.country
        from first_payments i"""
_BACK = f"""i.currency, 'paid', -1, -i.amount_minor, i.plan, i.interval, {_THROUGH}
        join failures f on f.account_id = i.account_id and f.invoice_id = i.invoice_id
            and f.version = 1
        where i.merchant_id = :merchant and f.merchant_id = :merchant and"""
ATTEMPTS = f"""
        select f.failed_at as happened_at, f.recorded_at, f.currency, 'failed' as kind, 1 as n,
            f.amount_minor as minor, f.plan, f.interval, {_REFUSED}
        where f.merchant_id = :merchant
        union all
        select f.failed_at, later.recorded_at, f.currency, 'failed', -1, -f.amount_minor, f.plan,
            f.interval, {_REFUSED}
        join failures later on later.account_id = f.account_id and later.invoice_id = f.invoice_id
            and later.version = f.version + 1
        where f.merchant_id = :merchant and later.merchant_id = :merchant
        union all
        select i.paid_at, i.recorded_at, i.currency, 'paid', 1, i.amount_minor, i.plan, i.interval,
            {_THROUGH}
        where i.merchant_id = :merchant
        union all
        select i.paid_at, f.recorded_at, {_BACK} f.recorded_at >= i.recorded_at
        union all
        select i.paid_at, i.recorded_at, {_BACK} f.recorded_at < i.recorded_at
"""
