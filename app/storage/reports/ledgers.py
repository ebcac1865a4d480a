"""The ledgers that figures add up, each as lines of one shape.

A line has `happened_at`, `recorded_at`, `currency`, `kind`, how many it counts for (`n`), `minor`
units, and the keys its figures may be grouped by.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Boolean, Date, DateTime, Text, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from app.storage.reports.at_risk import CHANGED
from app.storage.reports.attempts import ATTEMPTS, ATTEMPTS_LATELY
from app.storage.reports.lives import LASTING, LASTING_LATELY, RECOVERING, RECOVERING_LATELY
from app.storage.reports.losses import LEFT, LOST, OVERDUE, OVERDUE_AFTER, counts
from app.storage.reports.sides import SIDE_KEYS, SIDES_CHANGED

_INSTANT = DateTime(timezone=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`lines` as SQL about `:merchant`, of which `WITHIN(x)` is a rule that narrows an instant.
    What stands, and is no sum of lines, has `changed` instead: what came to stand between `:after`
    and `:until`, and what stood before, taken back. `lately` are the same lines as `lines`, in a
    form of which few are found by when they were recorded.

    `layers` are the groupings that rollups keep of it: none, and it is read from its ledger alone.
    Those of `coarse` are kept by month alone, of what happened and of when it was recorded.
    `tables` are the places where its lines are recorded: `late` ones on many days of each day they
    happened on. Lines `since` something know of another instant beside their own, and are told
    apart by it. `parts` are the lines of each place for themselves, where planning to look for all
    of them takes longer than finding the few of one; `prompt` is a place whose lines happen when
    they are recorded.
    """

    keys: tuple[str, ...]
    lines: str = ""
    changed: str = ""
    lately: str = ""
    layers: tuple[tuple[str, ...], ...] = ()
    coarse: tuple[tuple[str, ...], ...] = ()
    tables: tuple[str, ...] = ()
    since: bool = False
    late: bool = False
    parts: Mapping[str, str] = field(default_factory=dict)
    prompt: str = ""

    @property
    def folded(self) -> bool:
        """Whether it is kept in rollups."""
        return bool(self.layers)


PLANS = ("plan", "interval")


def alone(*keys: str) -> tuple[tuple[str, ...], ...]:
    """Layers of nothing, of plan and interval, of which one nearly tells the other, and of each
    other key alone."""
    return ((), PLANS, *((key,) for key in keys))


# Curves are asked for day by day: of one key at a time no more cells are read than that has.
_CURVES = ((), ("plan",), ("interval",))


# How a movement changes the number of subscriptions that pay: who comes or goes by the sign, also
# where a line is taken back; who pays more or less, only from nothing or to nothing. Lines say it
# themselves, but for those of former releases.
_LEFT = """(
        select sum(v.delta_minor) from mrr_movements v
        where v.account_id = m.account_id and v.subscription_id = m.subscription_id
            and v.merchant_id = :merchant and v.currency = m.currency
            and (v.plan, v.interval, v.country, v.attributes)
                is not distinct from (m.plan, m.interval, m.country, m.attributes)
            and (v.recorded_at, v.effective_at) <= (m.recorded_at, m.effective_at)
    )"""
PAYING = f"""coalesce(m.paying, case m.kind when 'expansion' then ({_LEFT} = m.delta_minor)::int
    when 'contraction' then -({_LEFT} = 0)::int else sign(m.delta_minor)::int end)"""
CHURN_KEYS = ("plan", "interval", "country", "attributes")
OFFER_KEYS = ("offer", "offer_kind", "reason", *PLANS)
ATTEMPT_KEYS = ("decline_kind", "network", "country", *PLANS)
END_KEYS = (
    *("kind_of_end", "cause", "reason", "plan", "interval", "country", "segment"),
    *("tenure", "mrr_band", "while_past_due", "attributes"),
)


def tenure_of(days: str) -> str:
    """The bucket of a tenure: it is called by the days with which it begins."""
    return f"""case when {days} < 31 then 'days_0' when {days} < 91 then 'days_31'
    when {days} < 181 then 'days_91' when {days} < 366 then 'days_181'
    when {days} is not null then 'days_366' end"""


def band_of(minor: str) -> str:
    """The band of an MRR: it is called by the minor units with which it begins."""
    return f"""case when {minor} < 1000 then 'minor_0' when {minor} < 5000
    then 'minor_1000' when {minor} < 20000 then 'minor_5000' else 'minor_20000' end"""


_RECORD = f"""
    r.kind as kind_of_end, r.cause, r.reason, r.plan, r.interval, r.country, r.segment,
    {tenure_of("r.tenure_days")} as tenure, {band_of("abs(r.mrr_minor)")} as mrr_band,
    r.while_past_due::text as while_past_due, r.attributes
"""


_ENDS = f"""
    select r.occurred_at as happened_at, r.recorded_at, r.currency,
        case when r.entry = 'reversed' then 'returned' else 'ended' end as kind,
        case when r.entry = 'reversed' then -r.count else r.count end as n,
        case when r.entry = 'reversed' then -r.mrr_minor else r.mrr_minor end as minor, {_RECORD}
    from churn_records r
    where {counts("r")} and r.entry in ('churned', 'restated', 'reversed')
"""  # noqa: S608 - words of ours
# What came of each accepted offer, all dated by its acceptance. What came in counts from when both
# the offer and the money were known, until a later offer is known to have been applied before the
# money came: that has it then. The provider dates it by the whole second.
_OFFER = "d.offer_id as offer, d.kind as offer_kind, d.given_reason as reason, d.plan, d.interval"
_KEPT = f"""
    select d.claimed_at, {{}}, d.currency, 'retained', 0,
        {{}} (t.paid_minor - t.refunded_minor + t.came_back_minor), {_OFFER}
    from redemptions d
    join takings t on t.account_id = d.account_id and t.subscription_id = d.subscription_id
        and t.currency = d.currency and t.occurred_at >= date_trunc('second', d.claimed_at)
        and t.occurred_at <= d.claimed_at + interval '2160 hours'
    cross join lateral (
        select min(o.settled_at) as known_at from redemptions o
        where o.account_id = d.account_id and o.subscription_id = d.subscription_id
            and o.merchant_id = :merchant and o.currency = d.currency and o.state = 'applied'
            and t.occurred_at >= date_trunc('second', o.claimed_at)
            and (o.claimed_at, o.redemption_id) > (d.claimed_at, d.redemption_id)
    ) over
    where d.merchant_id = :merchant and t.merchant_id = :merchant and d.state = 'applied'
"""  # noqa: S608 - words of ours
_OFFERS = f"""
    select d.claimed_at as happened_at, d.claimed_at as recorded_at, d.currency,
        'accepted' as kind, 1 as n, d.cost_minor as minor, {_OFFER}
    from redemptions d where d.merchant_id = :merchant
    union all
    select d.claimed_at, d.settled_at, d.currency, d.state, 1, d.cost_minor, {_OFFER}
    from redemptions d where d.merchant_id = :merchant and d.state in ('applied', 'failed')
    union all
    {_KEPT.format("t.recorded_at", "")} and t.recorded_at >= d.settled_at
        and coalesce(over.known_at > t.recorded_at, true)
    union all
    {_KEPT.format("d.settled_at", "")} and t.recorded_at < d.settled_at
        and coalesce(over.known_at > d.settled_at, true)
    union all
    {_KEPT.format("over.known_at", "-")}
        and over.known_at > greatest(t.recorded_at, d.settled_at)
    union all
    select t.begun_at, t.recorded_at, t.currency,
        t.rung || case when t.kept then '' else '_lost' end, 1, t.mrr_minor, t.offer_id,
        t.offer_kind, t.reason, t.plan, t.interval
    from save_steps t
    where t.merchant_id = :merchant and t.offer_id is not null
        and t.rung in ('saved_30d', 'saved_90d')
"""  # noqa: S608 - words of ours
# Each rung has the cohort, currency and keys of its acceptance: one that is missing is open.
_SAVES = """
    select begun_at as happened_at, recorded_at, currency,
        rung || case when kept or rung = 'abandoned' then '' else '_lost' end as kind, 1 as n,
        mrr_minor as minor, offer_kind, reason, plan, interval
    from save_steps
    where merchant_id = :merchant
    union all
    select begun_at, recorded_at, currency, 'cost', 0, cost_minor, offer_kind, reason, plan,
        interval
    from save_steps
    where merchant_id = :merchant and rung = 'accepted'
"""
SOURCES: Mapping[str, Source] = {
    "revenue": Source(
        lines="""
        select occurred_at as happened_at, recorded_at, currency, kind, 1 as n,
            amount_minor as minor, cause, plan, interval
        from recovery_entries
        where merchant_id = :merchant
        union all
        select settled_at, settled_at, currency, 'discount', 1, cost_minor, null, plan, interval
        from redemptions
        where merchant_id = :merchant and state = 'applied' and cost_minor > 0
        """,
        keys=("cause", "plan", "interval"),
        layers=(*alone("cause"), ("cause", "plan", "interval")),
        tables=("recovery_entries", "settlements"),
    ),
    "mrr": Source(
        lines=f"""
        select m.effective_at as happened_at, m.recorded_at, m.currency, m.kind,
            {PAYING} as n, m.delta_minor as minor, m.plan, m.interval, m.country, m.attributes,
            m.account_id, m.subscription_id
        from mrr_movements m
        where m.merchant_id = :merchant
        """,  # noqa: S608 - words of ours
        keys=CHURN_KEYS,
        layers=alone("country"),
        coarse=(CHURN_KEYS,),
        tables=("mrr_movements",),
    ),
    "saves": Source(
        lines=_SAVES,
        keys=("offer_kind", "reason", "plan", "interval"),
        layers=alone("offer_kind", "reason"),
        coarse=(("offer_kind", "reason", *PLANS),),
        tables=("save_steps",),
    ),
    "offers": Source(
        lines=_OFFERS,
        keys=OFFER_KEYS,
        layers=(*alone("reason"), ("offer", "offer_kind")),
        coarse=(OFFER_KEYS,),
        tables=("claims", "settlements", "takings", "save_steps"),
    ),
    "churn": Source(
        lines=LOST,
        keys=CHURN_KEYS,
        layers=alone("country"),
        coarse=(CHURN_KEYS,),
        tables=("churn_records", "cases"),
        since=True,
        parts={"churn_records": LEFT, "cases": OVERDUE},
        prompt="cases",
    ),
    # The same without what is only asked for or owed, by all that is known of an end.
    "ends": Source(
        lines=_ENDS,
        keys=END_KEYS,
        layers=alone(*(key for key in END_KEYS if key not in PLANS)),
        tables=("churn_records",),
    ),
    # Why a payment was refused may be learned after the failure was written.
    "recovering": Source(
        lines=RECOVERING,
        lately=RECOVERING_LATELY,
        keys=("plan", "interval", "decline_kind"),
        layers=(*_CURVES, ("decline_kind",), (*PLANS, "decline_kind")),
        tables=("failures", "recovery_entries", "refusals"),
        late=True,
    ),
    "lasting": Source(
        lines=LASTING,
        lately=LASTING_LATELY,
        keys=OFFER_KEYS,
        layers=(*_CURVES, ("reason",), ("offer", "offer_kind"), OFFER_KEYS),
        tables=("save_steps", "churn_records"),
    ),
    "attempts": Source(
        lines=ATTEMPTS,
        lately=ATTEMPTS_LATELY,
        keys=ATTEMPT_KEYS,
        layers=alone("decline_kind", "network", "country"),
        coarse=(ATTEMPT_KEYS,),
        tables=("failures", "first_payments", "refusals", "takings"),
    ),
    "risk": Source(
        changed=CHANGED,
        keys=("plan", "interval", "country"),
        layers=alone("country"),
        tables=("failures", "recovery_entries", "moves", "mrr_movements", "churn_records"),
    ),
    "sides": Source(
        changed=SIDES_CHANGED,
        keys=SIDE_KEYS,
        layers=((), SIDE_KEYS),
        tables=("failures", "recovery_entries", "takings"),
        late=True,
    ),
}


def narrowed(lines: str, after: str, until: str) -> str:
    """Lines whose `WITHIN(x)` says that 30 days after `x` lie between two instants."""
    rule = rf"\1 between {after} - {OVERDUE_AFTER} and {until} - {OVERDUE_AFTER}"
    return re.sub(r"WITHIN\((\S+)\)", rule, lines)


def statement(source: Source) -> TextClause:
    """Lines of a ledger added up by period, currency, kind and the keys that are asked for; and
    whether they are `young`: since the period began."""
    keys = [f"case when :by_{n} then nullif(e.{n}, '') end as {n}" for n in source.keys]
    young = "coalesce(e.since >= p.starts_at, false)" if source.since else "false"
    places = range(1, 5 + len(source.keys))
    return text(f"""
        select p.day as period, e.currency, e.kind, {young} as young,
            {"".join(f"{key}, " for key in keys)}
            sum(e.n) as n, sum(e.minor) as minor
        from unnest(:days, :starts, :ends) as p (day, starts_at, ends_at)
        join ({narrowed(source.lines, ":starts_at", ":ends_at")}) e
            on e.happened_at >= p.starts_at and e.happened_at < p.ends_at
        where e.happened_at >= :starts_at and e.happened_at < :ends_at
            and e.recorded_at <= :as_of and (:currency is null or e.currency = :currency)
        group by {", ".join(map(str, places))}
    """).bindparams(  # noqa: S608 - words of ours
        *(bindparam(name, type_=Text) for name in ("merchant", "currency")),
        *(bindparam(name, type_=_INSTANT) for name in ("as_of", "starts_at", "ends_at")),
        *(bindparam(name, type_=ARRAY(_INSTANT)) for name in ("starts", "ends")),
        bindparam("days", type_=ARRAY(Date)),
        *(bindparam(f"by_{name}", type_=Boolean) for name in source.keys),
    )


STATEMENTS: Mapping[str, TextClause] = {
    name: statement(source) for name, source in SOURCES.items() if source.lines
}
