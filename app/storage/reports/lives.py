"""Lines of beginnings and ends: failed invoices until their first money, saves until they end.

An end is a line of the day its life began, named for the day of the grid before which it came, so
that the lines of a day are its cohort. It is recorded when the last thing it rests on was.
"""

from app.domain.survival import RECOVERY_DAYS, SAVE_DAYS


def _named(begins: str, ends: str, grid: tuple[int, ...]) -> str:
    """`d7` of a life that lasted from one instant to the other."""
    days = f"extract(epoch from {ends} - {begins}) / 86400.0"
    names = ", ".join(f"'d{day}'" for day in grid)
    bounds = ", ".join(f"{day}.0" for day in grid)
    place = f"width_bucket(({days})::float8, array[{bounds}]::float8[])"
    return f"coalesce((array[{names}])[{place} + 1], 'later')"


# A failure that is told anew takes its former version back, and what came in on it with it. Its
# first money is the first entry that was written: what is told later of an earlier payment moves
# nothing.
_OF_CASE = "f.plan, f.interval, t.decline_kind"
_ATTEMPT = "left join attempts t on t.case_id = f.case_id and t.number = 1"
_LATER = """join failures later on later.account_id = f.account_id
        and later.invoice_id = f.invoice_id and later.version = f.version + 1"""


def _back(recorded: str, sign: str, sources: str, rule: str) -> str:
    """First money on failures, known when the last of the two was; by the step it came in."""
    return f"""
    union all
    select f.failed_at, {recorded}, f.currency,
        {_named("f.failed_at", "e.occurred_at", RECOVERY_DAYS)}, {sign}, {sign} * e.amount_minor,
        {_OF_CASE}
    from recovery_entries e
    join failures f on f.account_id = e.account_id and f.invoice_id = e.invoice_id
    {sources} {_ATTEMPT}
    where e.merchant_id = :merchant and f.merchant_id = :merchant and f.exclusion is null
        and e.kind in ('recovered', 'settled_other') and {rule} and not exists (
            select from recovery_entries b
            where b.merchant_id = e.merchant_id and b.account_id = e.account_id
                and b.invoice_id = e.invoice_id and b.kind in ('recovered', 'settled_other')
                and (b.recorded_at, b.entry_id) < (e.recorded_at, e.entry_id)
        )"""  # noqa: S608 - words of ours


_EITHER = f"""left {_LATER}
    cross join lateral (
        select greatest(f.recorded_at, e.recorded_at) as at, 1 as sign
        where coalesce(later.recorded_at > e.recorded_at, true)
        union all
        select later.recorded_at, -1 where later.recorded_at > e.recorded_at
    ) w"""
_IN_FORCE = """f.recorded_at <= e.recorded_at
        and coalesce(later.recorded_at > e.recorded_at, true)"""
_FAILED = f"""
    select f.failed_at as happened_at, f.recorded_at, f.currency, 'began' as kind, 1 as n,
        f.amount_minor as minor, {_OF_CASE}
    from failures f {_ATTEMPT}
    where f.merchant_id = :merchant and f.exclusion is null
    union all
    select f.failed_at, later.recorded_at, f.currency, 'began', -1, -f.amount_minor, {_OF_CASE}
    from failures f {_ATTEMPT} {_LATER}
    where f.merchant_id = :merchant and f.exclusion is null
"""  # noqa: S608 - words of ours
RECOVERING = _FAILED + _back("w.at", "w.sign", _EITHER, "true")
# The same lines by which of their rows was written last: so few are found by when that was.
RECOVERING_LATELY = "".join(
    (
        _FAILED,
        _back("e.recorded_at", "1", f"left {_LATER}", _IN_FORCE),
        _back("f.recorded_at", "1", "", "f.recorded_at > e.recorded_at"),
        _back("later.recorded_at", "-1", _LATER, "later.recorded_at > e.recorded_at"),
    )
)
_OFFER = "s.offer_id as offer, s.offer_kind, s.reason, s.plan, s.interval"
_ACCEPTED = "s.merchant_id = :merchant and s.rung = 'accepted'"
_LEFT = """r.merchant_id = :merchant and r.kind <> 'migration'
        and r.entry in ('churned', 'restated')"""
_SAME = """r.account_id = s.account_id and r.subscription_id = s.subscription_id"""


# A save is over once: who came back after it and left again had left before.
_FIRST = """not exists (
            select from churn_records d join churn_records v on v.account_id = d.account_id
                and v.subscription_id = d.subscription_id and v.about = d.record_id
            where d.account_id = s.account_id and d.subscription_id = s.subscription_id
                and d.entry = 'churned' and d.kind <> 'migration' and d.occurred_at >= s.begun_at
                and d.occurred_at < coalesce(e.occurred_at, r.occurred_at)
                and v.entry = 'reversed' and v.recorded_at <= coalesce(e.recorded_at, r.recorded_at)
        )"""


def _ended(recorded: str, sources: str, rule: str = "true") -> str:
    """Ends of saves, known when the last of the records was that they rest on."""
    return f"""
    union all
    select s.begun_at, {recorded}, s.currency,
        {_named("s.begun_at", "coalesce(e.occurred_at, r.occurred_at)", SAVE_DAYS)},
        case when r.entry = 'churned' then 1 else -1 end,
        case when r.entry = 'churned' then s.mrr_minor else -s.mrr_minor end, {_OFFER}
    from {sources}
    where {_ACCEPTED} and {_LEFT} and coalesce(e.occurred_at, r.occurred_at) >= s.begun_at
        and {_FIRST} and {rule}"""  # noqa: S608 - words of ours


_BEGAN = f"""
    select s.begun_at as happened_at, s.recorded_at, s.currency, 'began' as kind, 1 as n,
        s.mrr_minor as minor, {_OFFER}
    from save_steps s
    where {_ACCEPTED}
"""  # noqa: S608 - words of ours
_RESTATED = "left join churn_records e on r.entry = 'restated' and e.record_id = r.about"
_LEFT_OF = f"churn_records r join save_steps s on {_SAME} {_RESTATED}"
LASTING = _BEGAN + _ended("greatest(s.recorded_at, r.recorded_at, e.recorded_at)", _LEFT_OF)
# The same lines by which of their records was the last: so few are found by when that was.
LASTING_LATELY = "".join(
    (
        _BEGAN,
        _ended(
            "r.recorded_at",
            _LEFT_OF,
            "r.recorded_at >= s.recorded_at"
            " and r.recorded_at >= coalesce(e.recorded_at, r.recorded_at)",
        ),
        _ended(
            "s.recorded_at",
            _LEFT_OF,
            "s.recorded_at > r.recorded_at"
            " and s.recorded_at >= coalesce(e.recorded_at, s.recorded_at)",
        ),
        _ended(
            "e.recorded_at",
            f"""churn_records e join churn_records r on r.entry = 'restated'
        and r.about = e.record_id and r.account_id = e.account_id
        and r.subscription_id = e.subscription_id join save_steps s on {_SAME}""",
            "e.merchant_id = :merchant and e.recorded_at > r.recorded_at"
            " and e.recorded_at > s.recorded_at",
        ),
    )
)
