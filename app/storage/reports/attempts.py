"""The first automatic payments of invoices, as lines: refused, or through without a refusal.

A failure that is learned of later takes back what was counted before, be it an earlier version of
it or a payment. What a card was and why it was refused may be told later still: then each line is
moved to where it belongs, by two.
"""

from app.storage.reports.verdicts import AUTOMATIC

# Taken from where it stood under no name, put where it belongs.
MOVED = "cross join (values (-1), (1)) m (sign)"


def told_by(at: str, *names: str) -> str:
    """What of an attempt `t` was told by then, each under its name without `refused_`."""
    return ", ".join(
        f"case when t.refused_at <= {at} then t.{name} end as {of}"
        for name, of in zip(names, ("decline_kind", "network"), strict=False)
    )


def told_now(*names: str) -> str:
    """The same of a line that is moved: nothing where it is taken from."""
    return ", ".join(
        f"case when m.sign > 0 then {name} end as {of}"
        for name, of in zip(names, ("decline_kind", "network"), strict=False)
    )


_NAMES = ("refused_as", "refused_brand")
_LATER = """join failures later on later.account_id = f.account_id
            and later.invoice_id = f.invoice_id and later.version = f.version + 1"""
_FIRST = "left join attempts t on t.case_id = f.case_id and t.number = 1"
# From the attempt on, which is found by when its refusal was told.
_OF_REFUSAL = """from attempts t
        join cases c on c.case_id = t.case_id
        join failures f on f.account_id = c.account_id and f.invoice_id = c.invoice_id
            and f.case_id = t.case_id"""
_REFUSED = f"""
        select f.failed_at as happened_at, f.recorded_at, f.currency, 'failed' as kind, 1 as n,
            f.amount_minor as minor, f.plan, f.interval, {told_by("f.recorded_at", *_NAMES)},
            f.country
        from failures f {_FIRST}
        where f.merchant_id = :merchant and {AUTOMATIC}
        union all
        select f.failed_at, later.recorded_at, f.currency, 'failed', -1, -f.amount_minor, f.plan,
            f.interval, {told_by("later.recorded_at", *_NAMES)}, f.country
        from failures f {_LATER} {_FIRST}
        where f.merchant_id = :merchant and {AUTOMATIC} and later.merchant_id = :merchant
        union all
        select f.failed_at, t.refused_at, f.currency, 'failed', m.sign, m.sign * f.amount_minor,
            f.plan, f.interval, {told_now("t.refused_as", "t.refused_brand")}, f.country
        {_OF_REFUSAL} {MOVED}
        where t.merchant_id = :merchant and t.number = 1 and f.merchant_id = :merchant
            and {AUTOMATIC}
            and t.refused_at > f.recorded_at
        union all
        select f.failed_at, t.refused_at, f.currency, 'failed', -m.sign,
            -m.sign * f.amount_minor, f.plan, f.interval,
            {told_now("t.refused_as", "t.refused_brand")}, f.country
        {_OF_REFUSAL} {_LATER} {MOVED}
        where t.merchant_id = :merchant and t.number = 1 and f.merchant_id = :merchant
            and {AUTOMATIC}
            and t.refused_at > later.recorded_at"""  # noqa: S608 - words of ours
# The card of the first line about an invoice's money that names one.
_CARD = """left join lateral (
            select k.brand, k.recorded_at as told_at from takings k
            where k.account_id = i.account_id and k.invoice_id = i.invoice_id
                and k.brand is not null and k.paid_minor > 0
            order by k.recorded_at, k.taking_id limit 1
        ) k on true"""
_OF_CARD = """from takings k
        join first_payments i on i.account_id = k.account_id and i.invoice_id = k.invoice_id"""
_IS_FIRST = """k.merchant_id = :merchant and k.brand is not null and k.paid_minor > 0
            and i.merchant_id = :merchant and not exists (
                select from takings o
                where o.account_id = k.account_id and o.invoice_id = k.invoice_id
                    and o.brand is not null and o.paid_minor > 0
                    and (o.recorded_at, o.taking_id) < (k.recorded_at, k.taking_id)
            )"""
_FAILED = """join failures f on f.account_id = i.account_id and f.invoice_id = i.invoice_id
            and f.version = 1"""


def _through(at: str, n: str) -> str:
    """The columns of a payment's line that was recorded then."""
    return f"""select i.paid_at, {at}, i.currency, 'paid', {n}, {n} * i.amount_minor, i.plan,
            i.interval, null, case when k.told_at <= {at} then k.brand end, i.country
        from first_payments i"""  # noqa: S608 - words of ours


def _carded(n: str) -> str:
    """The columns of a payment's line that is moved once its card is told."""
    return f"""select i.paid_at, k.recorded_at, i.currency, 'paid', {n}, {n} * i.amount_minor,
            i.plan, i.interval, null, case when m.sign > 0 then k.brand end, i.country
        {_OF_CARD}"""


_PAID = f"""
        {_through("i.recorded_at", "1")} {_CARD}
        where i.merchant_id = :merchant
        union all
        {_through("f.recorded_at", "-1")} {_FAILED} {_CARD}
        where i.merchant_id = :merchant and f.merchant_id = :merchant
            and f.recorded_at >= i.recorded_at
        union all
        {_through("i.recorded_at", "-1")} {_FAILED} {_CARD}
        where i.merchant_id = :merchant and f.merchant_id = :merchant
            and f.recorded_at < i.recorded_at
        union all
        {_carded("m.sign")} {MOVED}
        where {_IS_FIRST} and k.recorded_at > i.recorded_at
        union all
        {_carded("-m.sign")} {_FAILED} {MOVED}
        where {_IS_FIRST} and f.merchant_id = :merchant
            and k.recorded_at > greatest(f.recorded_at, i.recorded_at)"""
ATTEMPTS_LATELY = f"{_REFUSED} union all {_PAID}"
# The same lines by what they are about, each read once; cards and reasons only where asked for.
ATTEMPTS = f"""
        select f.failed_at as happened_at, w.recorded_at, f.currency, 'failed' as kind, w.n,
            w.n * f.amount_minor as minor, f.plan, f.interval, w.decline_kind, w.network, f.country
        from failures f
        left join attempts t on (:by_decline_kind or :by_network) and t.case_id = f.case_id
            and t.number = 1
        left {_LATER}
        cross join lateral (
            select f.recorded_at, 1 as n, {told_by("f.recorded_at", *_NAMES)}
            union all
            select later.recorded_at, -1, {told_by("later.recorded_at", *_NAMES)}
            where later.version is not null
            union all
            select t.refused_at, m.sign, {told_now("t.refused_as", "t.refused_brand")}
            from (values (-1), (1)) m (sign) where t.refused_at > f.recorded_at
            union all
            select t.refused_at, -m.sign, {told_now("t.refused_as", "t.refused_brand")}
            from (values (-1), (1)) m (sign) where t.refused_at > later.recorded_at
        ) w
        where f.merchant_id = :merchant and {AUTOMATIC}
        union all
        select i.paid_at, w.recorded_at, i.currency, 'paid', w.n, w.n * i.amount_minor, i.plan,
            i.interval, null, w.network, i.country
        from first_payments i
        left {_FAILED}
        {_CARD.replace("on true", "on :by_network")}
        cross join lateral (
            select i.recorded_at, 1 as n, case when k.told_at <= i.recorded_at then k.brand end
                as network
            union all
            select x.at, -1, case when k.told_at <= x.at then k.brand end
            from (values (greatest(f.recorded_at, i.recorded_at))) x (at)
            where f.version is not null
            union all
            select k.told_at, m.sign, case when m.sign > 0 then k.brand end
            from (values (-1), (1)) m (sign) where k.told_at > i.recorded_at
            union all
            select k.told_at, -m.sign, case when m.sign > 0 then k.brand end
            from (values (-1), (1)) m (sign)
            where f.version is not null and k.told_at > greatest(f.recorded_at, i.recorded_at)
        ) w
        where i.merchant_id = :merchant"""  # noqa: S608 - words of ours
