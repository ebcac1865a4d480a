"""Who was there when a period began, by how long and with how much, and what became of them.

Read from the ledgers: who is in which bucket hangs on where the period begins, so that no sums by
day tell it. When a subscription began is the mirror's word, which does not change.
"""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    DateTime,
    RowMapping,
    Text,
    bindparam,
    text,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ports.figures import Excerpt, FlowSums, Period
from app.storage.reports.counted import Counted
from app.storage.reports.ledgers import PAYING, SOURCES, band_of, narrowed, tenure_of
from app.storage.reports.reading import read

# Movements that one statement adds up: of more, the subscriptions are asked in parts, so that none
# takes longer than a statement may.
MOVES_AT_ONCE = 200_000
STANDING_KEYS = ("tenure", "mrr_band")
CAME = "came"  # who was not there when the period began
_INSTANTS = ("as_of", "starts_at", "ends_at")
OF_EXCERPT: tuple[BindParameter[Any], ...] = (
    bindparam("merchant", type_=Text),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in _INSTANTS),
    bindparam("currency", type_=Text),
    *(bindparam(f"by_{name}", type_=Boolean) for name in STANDING_KEYS),
)
OF_PARTS: tuple[BindParameter[Any], ...] = tuple(
    bindparam(name, type_=BigInteger) for name in ("parts", "part")
)
_OF_MRR = "('new', 'expansion', 'contraction', 'reactivation')"
_DAYS = "extract(epoch from :starts_at - s.started_at) / 86400.0"
_IN_PART = "mod(hashtext({}subscription_id)::bigint & 2147483647, :parts) = :part"
_WITHIN = """e.happened_at >= :starts_at and e.happened_at < :ends_at
        and e.recorded_at <= :as_of and (:currency is null or e.currency = :currency)
        and """ + _IN_PART.format("e.")
_CHURN = narrowed(SOURCES["churn"].lines, ":starts_at", ":ends_at")
# Who is found in the period, when an account is connected, was there before.
STANDING = text(f"""
with there as materialized (
    select account_id, subscription_id, currency, sum(n) as n, sum(delta_minor) as minor
    from (
        select m.account_id, m.subscription_id, m.currency, {PAYING} as n, m.delta_minor
        from mrr_movements m
        where m.merchant_id = :merchant and m.recorded_at <= :as_of
            and (m.effective_at < :starts_at
                or (m.kind = 'opening' and m.effective_at < :ends_at))
            and (:currency is null or m.currency = :currency) and {_IN_PART.format("m.")}
    ) lines
    group by 1, 2, 3 having sum(n) <> 0 or sum(delta_minor) <> 0
), moved as (
    select e.kind, false as young, e.n, e.minor, e.account_id, e.subscription_id, e.currency
    from ({SOURCES["mrr"].lines}) e where e.kind in {_OF_MRR} and {_WITHIN}
    union all
    select e.kind, coalesce(e.since >= :starts_at, false), e.n, e.minor, e.account_id,
        e.subscription_id, e.currency
    from ({_CHURN}) e where {_WITHIN}
), lines as (
    select 'start' as kind, false as young, n, minor, account_id, subscription_id, currency,
        minor as stood
    from there
    union all
    select m.*, t.minor
    from moved m
    left join there t on t.account_id = m.account_id and t.subscription_id = m.subscription_id
        and t.currency = m.currency
)
select l.currency, l.kind, l.young,
    case when :by_tenure then
        case when l.stood > 0 then {tenure_of(_DAYS)} else '{CAME}' end end as tenure,
    case when :by_mrr_band then
        case when l.stood > 0 then {band_of("l.stood")} else '{CAME}' end end as mrr_band,
    sum(l.n) as n, sum(l.minor) as minor
from lines l
left join subscriptions s on :by_tenure and s.account_id = l.account_id
    and s.subscription_id = l.subscription_id
group by 1, 2, 3, 4, 5
""").bindparams(*OF_EXCERPT, *OF_PARTS)  # noqa: S608 - words of ours
_MOVES = text("""
select count(*) as n from mrr_movements where merchant_id = :merchant and recorded_at <= :as_of
""").bindparams(
    bindparam("merchant", type_=Text), bindparam("as_of", type_=DateTime(timezone=True))
)


async def standing(
    engine: AsyncEngine, excerpt: Excerpt, period: Period, by: Collection[str], *, at_once: int
) -> list[RowMapping]:
    """Rows of `STANDING`. All lines of a subscription are in one part, so that parts add up."""
    bound: dict[str, Any] = {"merchant": excerpt.merchant_id, "as_of": excerpt.as_of}
    (moves,) = await read(engine, _MOVES, bound)
    bound |= {"starts_at": period.starts_at, "ends_at": period.ends_at}
    bound |= {"currency": excerpt.currency, "parts": 1 + moves["n"] // at_once}
    bound |= {f"by_{name}": name in by for name in STANDING_KEYS}
    parts = [await read(engine, STANDING, bound | {"part": n}) for n in range(bound["parts"])]
    return [row for part in parts for row in part]


def sums_of(rows: Iterable[RowMapping], period: Period, by: Collection[str]) -> list[FlowSums]:
    """What rows of `STANDING` add up to."""
    counted = Counted(since=True)
    for row in rows:
        named = tuple((name, row[name]) for name in STANDING_KEYS if name in by)
        place = (period.day, row["currency"], named)
        n, minor = int(row["n"]), int(row["minor"])
        counted.add(place, row["kind"], n, minor)
        if row["young"]:
            counted.add(place, row["kind"], n, minor, young=True)
    return counted.sums()
