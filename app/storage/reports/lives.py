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


# A failure that is told anew takes its former version back. Its first money is the first entry
# that was written: what is told later of an earlier payment moves nothing. Why it was refused may
# be told later, and moves each of them.
_KEYS = "f.plan, f.interval"
_ATTEMPT = "left join attempts t on t.case_id = f.case_id and t.number = 1"
_AGAIN = """join failures later on later.account_id = f.account_id
        and later.invoice_id = f.invoice_id and later.version = f.version + 1"""
_TOLD = """from attempts t
    join cases c on c.case_id = t.case_id"""
_OF_TOLD = "f.account_id = c.account_id and f.invoice_id = c.invoice_id and f.case_id = t.case_id"
_ENDED = f"""f.currency,
        {_named("f.failed_at", "f.occurred_at", RECOVERY_DAYS)}"""
_FIRST_MONEY = """f.merchant_id = :merchant and f.kind in ('recovered', 'settled_other')
        and not exists (
            select from recovery_entries b
            where b.merchant_id = f.merchant_id and b.account_id = f.account_id
                and b.invoice_id = f.invoice_id and b.kind in ('recovered', 'settled_other')
                and (b.recorded_at, b.entry_id) < (f.recorded_at, f.entry_id)
        )"""
_IS_TOLD = "t.merchant_id = :merchant and t.number = 1 and t.refused_at >"
RECOVERING_LATELY = f"""
    select f.failed_at as happened_at, f.recorded_at, f.currency, 'began' as kind, 1 as n,
        f.amount_minor as minor, {_KEYS}, {told_by("f.recorded_at", "refused_as")}
    from failures f {_ATTEMPT}
    where f.merchant_id = :merchant and f.exclusion is null
    union all
    select f.failed_at, later.recorded_at, f.currency, 'began', -1, -f.amount_minor, {_KEYS},
        {told_by("later.recorded_at", "refused_as")}
    from failures f {_ATTEMPT} {_AGAIN}
    where f.merchant_id = :merchant and f.exclusion is null
    union all
    select f.failed_at, f.recorded_at, {_ENDED}, 1, f.amount_minor, {_KEYS},
        {told_by("f.recorded_at", "refused_as")}
    from recovery_entries f {_ATTEMPT}
    where {_FIRST_MONEY}
    union all
    select f.failed_at, t.refused_at, f.currency, 'began', m.sign, m.sign * f.amount_minor,
        {_KEYS}, {told_now("t.refused_as")}
    {_TOLD} join failures f on {_OF_TOLD} {MOVED}
    where {_IS_TOLD} f.recorded_at and f.merchant_id = :merchant and f.exclusion is null
    union all
    select f.failed_at, t.refused_at, f.currency, 'began', -m.sign, -m.sign * f.amount_minor,
        {_KEYS}, {told_now("t.refused_as")}
    {_TOLD} join failures f on {_OF_TOLD} {_AGAIN} {MOVED}
    where {_IS_TOLD} later.recorded_at and f.merchant_id = :merchant and f.exclusion is null
    union all
    select f.failed_at, t.refused_at, {_ENDED}, m.sign, m.sign * f.amount_minor, {_KEYS},
        {told_now("t.refused_as")}
    {_TOLD} join recovery_entries f on {_OF_TOLD} {MOVED}
    where {_IS_TOLD} f.recorded_at and {_FIRST_MONEY}
"""  # noqa: S608 - words of ours
# The same lines by what they are about, each read once; reasons only where asked for.
_ASKED = "left join attempts t on :by_decline_kind and t.case_id = f.case_id and t.number = 1"
RECOVERING = f"""
    select f.failed_at as happened_at, w.recorded_at, f.currency, 'began' as kind, w.n,
        w.n * f.amount_minor as minor, {_KEYS}, w.decline_kind
    from failures f {_ASKED} left {_AGAIN}
    cross join lateral (
        select f.recorded_at, 1 as n, {told_by("f.recorded_at", "refused_as")}
        union all
        select later.recorded_at, -1, {told_by("later.recorded_at", "refused_as")}
        where later.version is not null
        union all
        select t.refused_at, m.sign, {told_now("t.refused_as")}
        from (values (-1), (1)) m (sign) where t.refused_at > f.recorded_at
        union all
        select t.refused_at, -m.sign, {told_now("t.refused_as")}
        from (values (-1), (1)) m (sign) where t.refused_at > later.recorded_at
    ) w
    where f.merchant_id = :merchant and f.exclusion is null
    union all
    select f.failed_at, w.recorded_at, {_ENDED}, w.n, w.n * f.amount_minor, {_KEYS}, w.decline_kind
    from recovery_entries f {_ASKED}
    cross join lateral (
        select f.recorded_at, 1 as n, {told_by("f.recorded_at", "refused_as")}
        union all
        select t.refused_at, m.sign, {told_now("t.refused_as")}
        from (values (-1), (1)) m (sign) where t.refused_at > f.recorded_at
    ) w
    where {_FIRST_MONEY}
"""  # noqa: S608 - words of ours
_OFFER = "s.offer_id as offer, s.offer_kind, s.reason, s.plan, s.interval"
_ACCEPTED = "s.merchant_id = :merchant and s.rung = 'accepted'"
_LEFT = """r.merchant_id = :merchant and r.kind <> 'migration'
        and r.entry in ('churned', 'restated')"""
_SAME = """r.account_id = s.account_id and r.subscription_id = s.subscription_id"""


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
        and {rule}"""  # noqa: S608 - words of ours


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
