"""What failed invoices count for at a cut-off, as SQL: one text for figures and for rollups.

Whether a case was open is read from its timeline, where each move stands under the state's name:
the case itself only knows its present.
"""

from collections.abc import Mapping

from app.domain.recovery import NOT_AUTOMATIC
from app.domain.rollups import LONGEST_WINDOW

MOVES = "('active', 'parked', 'recovered', 'exhausted', 'stopped')"
CLOSED = "('recovered', 'exhausted', 'stopped')"
SETTLING = "('recovered', 'settled_other', 'credited', 'credit_voided')"
# A rule: an automatic payment of the failure `f` was refused.
AUTOMATIC = f"""coalesce(f.exclusion, '') not in ({", ".join(f"'{x}'" for x in NOT_AUTOMATIC)})"""
WITHIN = (
    ("cash", "e.kind = 'recovered'"),
    ("other", "e.kind = 'settled_other'"),
    ("credited", "e.kind in ('credited', 'credit_voided')"),
)


def newest(as_of: str) -> str:
    """A rule: `f` is the version of its failure that counts at the cut-off."""
    return f"""f.recorded_at <= {as_of} and not exists (
        select from failures later
        where later.merchant_id = f.merchant_id and later.account_id = f.account_id
            and later.invoice_id = f.invoice_id and later.version > f.version
            and later.recorded_at <= {as_of}
    )"""


def decided(chosen: str, *, name: str, windows: Mapping[str, str]) -> str:
    """Two tables of a `with`: the failures of `chosen`, and what became of each, called `name`.

    Args:
        chosen: a table of failures of `:merchant`, each in the version that counts at its cut-off
            `at`, the instant by which payments and moves count.
        windows: the length of each window as SQL, by its name; it gives the columns
            `cash_{name}`, `other_{name}` and `credited_{name}`. Cash is counted first, then what
            else settled the invoice, then credits, together no more than had failed.
    """
    sums = [
        f"coalesce(sum(e.amount_minor) filter (where {rule}"
        f" and e.occurred_at <= c.failed_at + {length}), 0)::bigint as {kind}_in_{window}"
        for kind, rule in WITHIN
        for window, length in windows.items()
    ]
    counted = [column for window in windows for column in _counted(window)]
    return f"""
{name}_settled as (
    select c.*, e.*, greatest(c.amount_minor - e.settled, 0) as owed
    from {chosen} c
    cross join lateral (
        select coalesce(sum(e.amount_minor), 0)::bigint as settled, count(*) as n_lines,
            {", ".join(sums)}
        from recovery_entries e
        where e.merchant_id = :merchant and e.account_id = c.account_id
            and e.invoice_id = c.invoice_id and e.currency = c.currency
            and e.kind in {SETTLING} and e.recorded_at <= c.at
    ) e
), {name} as (
    select s.*, {", ".join(counted)},
        s.owed > 0 and s.case_id is not null and coalesce((
            select v.type not in {CLOSED}
            from case_events v
            where v.merchant_id = :merchant and v.case_id = s.case_id and v.at <= s.at
                and v.type in {MOVES}
            order by v.at desc, v.seq desc, v.event_id desc
            limit 1
        ), true) as open
    from {name}_settled s
    offset 0
)"""  # noqa: S608 - words of ours


def steps_of(decided: str) -> str:
    """The rows of a table that `decided` made, once for each day of 24 hours since the failure on
    which more, or less, counts than the day before: `days`, and by how much."""
    sums = ", ".join(
        f"sum(coalesce(sum(e.amount_minor) filter (where {rule}), 0)) over by_day as {kind}_in_w"
        for kind, rule in WITHIN
    )
    more = ", ".join(
        f"({kind}_w - lag({kind}_w, 1, 0::numeric) over (order by days))::bigint as {kind}"
        for kind, _ in WITHIN
    )
    return f"""
    select d.*, t.days, t.cash, t.other, t.credited
    from {decided} d
    cross join lateral (
        select w.days, {more}
        from (
            select s.days, {", ".join(_counted("w"))}
            from (
                select {days_since("d.failed_at", "e.occurred_at")} as days,
                    d.amount_minor as amount_minor, {sums}
                from recovery_entries e
                where e.merchant_id = :merchant and e.account_id = d.account_id
                    and e.invoice_id = d.invoice_id and e.currency = d.currency
                    and e.kind in {SETTLING} and e.recorded_at <= d.at
                group by 1
                window by_day as (order by {days_since("d.failed_at", "e.occurred_at")})
            ) s
        ) w
    ) t
    where d.n_lines > 0 and t.days <= {LONGEST_WINDOW}
        and (t.cash <> 0 or t.other <> 0 or t.credited <> 0)
"""  # noqa: S608 - words of ours


def days_since(failed: str, at: str) -> str:
    """The shortest window, in days of 24 hours, that has an instant in it."""
    return f"greatest(ceil(extract(epoch from {at} - {failed}) / 86400), 0)::bigint"


def _counted(window: str) -> tuple[str, str, str]:
    cash, other = f"s.cash_in_{window}", f"s.other_in_{window}"
    credited = f"greatest(s.credited_in_{window}, 0)"
    return (
        f"least({cash}, s.amount_minor) as cash_{window}",
        f"least({other}, greatest(s.amount_minor - {cash}, 0)) as other_{window}",
        f"least({credited}, greatest(s.amount_minor - {cash} - {other}, 0)) as credited_{window}",
    )
