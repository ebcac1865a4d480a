"""Lines of beginnings and ends: failed invoices until their first money, saves until they end.

An end is a line of the day its life began, named for the day of the grid before which it came, so
that the lines of a day are its cohort. It is recorded when the last thing it rests on was.
"""

from app.domain.survival import RECOVERY_DAYS, SAVE_DAYS
from app.storage.reports.attempts import MOVED, told_by, told_now


def _named(begins: str, ends: str, grid: tuple[int, ...]) -> str:
    """`d7` of a life that lasted from one instant to the other."""
    days = f"extract(epoch from {ends} - {begins}) / 86400.0"
    names = ", ".join(f"'d{day}'" for day in grid)
    bounds = ", ".join(f"{day}.0" for day in grid)
    place = f"width_bucket(({days})::float8, array[{bounds}]::float8[])"
    return f"coalesce((array[{names}])[{place} + 1], 'later')"


# A failure that is told anew takes its former version back, and what came in on it with it. Its
# first money is the first entry that was written: what is told later of an earlier payment moves
# nothing. Why it was refused may be told later, and moves each line.
_KEYS = "f.plan, f.interval"
_ATTEMPT = "left join attempts t on t.case_id = f.case_id and t.number = 1"
_LATER = """join failures later on later.account_id = f.account_id
        and later.invoice_id = f.invoice_id and later.version = f.version + 1"""
_TOLD = """from attempts t
    join cases c on c.case_id = t.case_id
    join failures f on f.account_id = c.account_id and f.invoice_id = c.invoice_id
        and f.case_id = t.case_id"""
_MONEY = "join recovery_entries e on e.account_id = f.account_id and e.invoice_id = f.invoice_id"
_COUNTS = "f.merchant_id = :merchant and f.exclusion is null"
_FIRST_MONEY = """e.merchant_id = :merchant and e.kind in ('recovered', 'settled_other')
        and not exists (
            select from recovery_entries b
            where b.merchant_id = e.merchant_id and b.account_id = e.account_id
                and b.invoice_id = e.invoice_id and b.kind in ('recovered', 'settled_other')
                and (b.recorded_at, b.entry_id) < (e.recorded_at, e.entry_id)
        )"""
_STEP = _named("f.failed_at", "e.occurred_at", RECOVERY_DAYS)
_KNOWN = "greatest(f.recorded_at, e.recorded_at)"
# A version of a failure has the money that was written before the next one was told.
_HELD = "coalesce(later.recorded_at > e.recorded_at, true)"
_LOST = "later.recorded_at > e.recorded_at"


def _failed(at: str, sign: str, told: str, sources: str, rule: str = "true") -> str:
    """A failed invoice, or with `sign` -1 its former version, since `at`."""
    return f"""
    select f.failed_at as happened_at, {at} as recorded_at, f.currency, 'began' as kind,
        {sign} as n, {sign} * f.amount_minor as minor, {_KEYS}, {told}
    {sources}
    where {_COUNTS} and {rule}"""


def _back(at: str, sign: str, told: str, sources: str, rule: str = "true") -> str:
    """First money on a failure since `at`; by the step it came in."""
    return f"""
    select f.failed_at as happened_at, {at} as recorded_at, f.currency, {_STEP} as kind,
        {sign} as n, {sign} * e.amount_minor as minor, {_KEYS}, {told}
    {sources}
    where {_COUNTS} and {_FIRST_MONEY} and {rule}"""


def _by(at: str) -> str:
    """Why it was refused, if that was told by then."""
    return told_by(at, "refused_as")


_NOW = told_now("t.refused_as")
_FAILURES = f"from failures f {_ATTEMPT}"
_ENTRIES = f"""from recovery_entries e
    join failures f on f.account_id = e.account_id and f.invoice_id = e.invoice_id
    {_ATTEMPT}"""
# All lines of an invoice that a refusal moves which was told after they were written.
_TOLD_LATER = f"""
    select f.failed_at, t.refused_at, f.currency, p.kind, m.sign * p.n, m.sign * p.minor, {_KEYS},
        {_NOW}
    {_TOLD} left {_LATER}
    left {_MONEY} and {_FIRST_MONEY}
    cross join lateral (
        select 'began' as kind, 1 as n, f.amount_minor as minor
        union all
        select 'began', -1, -f.amount_minor where t.refused_at > later.recorded_at
        union all
        select {_STEP}, 1, e.amount_minor
        where e.recorded_at < t.refused_at and {_HELD}
        union all
        select {_STEP}, -1, -e.amount_minor where t.refused_at > later.recorded_at and {_LOST}
    ) p
    {MOVED}
    where {_COUNTS} and t.merchant_id = :merchant and t.number = 1
        and t.refused_at > f.recorded_at"""
# Each line by which of its rows was written last: so few are found by when that was.
RECOVERING_LATELY = " union all ".join(
    (
        _failed("f.recorded_at", "1", _by("f.recorded_at"), _FAILURES),
        _failed("later.recorded_at", "-1", _by("later.recorded_at"), f"{_FAILURES} {_LATER}"),
        _back(
            "e.recorded_at",
            "1",
            _by("e.recorded_at"),
            f"{_ENTRIES} left {_LATER}",
            f"f.recorded_at <= e.recorded_at and {_HELD}",
        ),
        _back(
            "f.recorded_at",
            "1",
            _by("f.recorded_at"),
            f"{_ENTRIES} left {_LATER}",
            f"f.recorded_at > e.recorded_at and {_HELD}",
        ),
        _back("later.recorded_at", "-1", _by("later.recorded_at"), f"{_ENTRIES} {_LATER}", _LOST),
        _TOLD_LATER,
    )
)
# The same lines by what they are about, each row read once; reasons only where asked for.
_ASKED = "left join attempts t on :by_decline_kind and t.case_id = f.case_id and t.number = 1"
_WHEN = f"""cross join lateral (
        select p.at, p.n, {_by("p.at")}
        union all
        select t.refused_at, m.sign * p.n, {_NOW}
        from (values (-1), (1)) m (sign) where t.refused_at > p.at
    ) w"""  # noqa: S608 - words of ours
RECOVERING = " union all ".join(
    (
        _failed(
            "w.at",
            "w.n",
            "w.decline_kind",
            f"""from failures f {_ASKED} left {_LATER}
    cross join lateral (
        select f.recorded_at as at, 1 as n
        union all
        select later.recorded_at, -1 where later.version is not null
    ) p
    {_WHEN}""",
        ),
        _back(
            "w.at",
            "w.n",
            "w.decline_kind",
            f"""from recovery_entries e
    join failures f on f.account_id = e.account_id and f.invoice_id = e.invoice_id
    {_ASKED} left {_LATER}
    cross join lateral (
        select {_KNOWN} as at, 1 as n where {_HELD}
        union all
        select later.recorded_at, -1 where {_LOST}
    ) p
    {_WHEN}""",
        ),
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
