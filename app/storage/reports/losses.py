"""Who was lost, as lines: ended, asked to leave, past due for 30 days, or came back.

Lines are told apart by when a subscription began to pay: who joined within the period that they
left in is apart from those who were there when it began.
"""

from app.storage.reports.verdicts import CLOSED, MOVES

_PLACE = "r.plan, r.interval, r.country, r.attributes, r.account_id, r.subscription_id"
OVERDUE_AFTER = "interval '720 hours'"


def counts(record: str) -> str:
    """A rule: migrations are no loss, trials were never paid for, and what was before us has no MRR
    here."""
    return f"""{record}.merchant_id = :merchant and {record}.kind <> 'migration'
        and not {record}.trial and {record}.origin = 'seen'"""


def _paid(record: str) -> str:
    """A rule: rates are of those who have MRR; who never paid, or pays nothing any more, is none of
    them."""
    return f"{counts(record)} and {record}.mrr_minor <> 0"


def _open_at(case: str, at: str, closed: str = CLOSED) -> str:
    """A rule: the case was open then, by its timeline; or was in none of the states `closed`."""
    return f"""coalesce((
            select v.type not in {closed} from case_events v
            where v.merchant_id = :merchant and v.case_id = {case}.case_id and v.at <= {at}
                and v.type in {MOVES}
            order by v.at desc, v.seq desc, v.event_id desc limit 1
        ), true)"""  # noqa: S608 - words of ours


def _cases_of(name: str, of: str) -> str:
    """The cases of the same subscription."""
    return f"""select from cases {name}
        where {name}.account_id = {of}.account_id and {name}.kind = 'payment'
            and {name}.subscription_id = {of}.subscription_id"""


# An open case that is 30 days old counts where its subscription has MRR then, by what was known
# then, so that nothing that happens later changes it.
_MRR_THEN = """select v.plan, v.interval, v.country, v.attributes,
            sum(v.delta_minor) as minor
        from mrr_movements v
        where v.account_id = {of}.account_id and v.subscription_id = {of}.subscription_id
            and v.currency = {of}.currency and v.recorded_at <= {at} and v.effective_at <= {at}
        group by 1, 2, 3, 4 having sum(v.delta_minor) > 0"""
_THEN = f"p.opened_at + {OVERDUE_AFTER}"


def _paid_since(of: str, recorded_at: str) -> str:
    """When a subscription began to pay, as far as was known then; else when it began."""
    return f"""coalesce((
            select min(v.effective_at) from mrr_movements v
            where v.merchant_id = :merchant and v.account_id = {of}.account_id
                and v.subscription_id = {of}.subscription_id and v.kind = 'new'
                and v.recorded_at <= {recorded_at}
        ), {of}.started_at)"""  # noqa: S608 - words of ours


# Who had been past due for 30 days before, and has not paid since, is known once more under
# another name.
_ALSO_OVERDUE = f"""cross join lateral (
        select w.name
        union all
        select w.name || '_overdue' where exists (
            {_cases_of("p", "r")} and {_THEN} <= w.at and {_open_at("p", _THEN)}
                and {_open_at("p", "w.at", "('recovered')")}
                and exists ({_MRR_THEN.format(of="p", at=_THEN)})
        )
    ) k"""
# An end counts by its own line, and as asked for when the plan of it was heard of, if there was one
# that counts. A plan that is given up was none from then on, nor one of a migration.
_ENDED = f"""
    select w.at as happened_at, r.recorded_at, {_paid_since("r", "w.told_at")} as since, r.currency,
        k.name as kind, r.count as n, r.mrr_minor as minor, {_PLACE}
    from churn_records r
    left join churn_records b on b.record_id = r.about
    left join churn_records plan
        on plan.record_id = case r.entry when 'restated' then b.about else r.about end
    cross join lateral (
        select case when r.entry in ('restated', 'withdrawn') then b.recorded_at end as recorded_at
    ) e
    cross join lateral (
        select 'ended' as name, r.occurred_at as at, coalesce(e.recorded_at, r.recorded_at)
            as told_at where r.entry in ('churned', 'restated')
        union all
        select 'asked', case r.entry when 'withdrawn' then b.occurred_at else r.occurred_at end,
            coalesce(e.recorded_at, r.recorded_at)
        where r.entry in ('pending', 'withdrawn') or (r.entry in ('churned', 'restated')
            and ({_paid("plan")}) is not true)
    ) w
    {_ALSO_OVERDUE}
    where {_paid("r")}
    union all
    select w.at, m.recorded_at, {_paid_since("r", "r.recorded_at")}, r.currency, k.name, -r.count,
        -r.mrr_minor, {_PLACE}
    from churn_records m
    join churn_records r on r.record_id = m.about and r.entry = 'pending'
    cross join lateral (select 'asked' as name, r.occurred_at as at) w
    {_ALSO_OVERDUE}
    where m.merchant_id = :merchant and m.kind = 'migration' and m.entry = 'churned'
        and {_paid("r")}
"""  # noqa: S608 - words of ours
# A return is dated three times: since the end that it undoes, since that was asked for, and since
# what had ended began.
_RETURNED = f"""
    select r.occurred_at, r.recorded_at, w.since, r.currency, w.name, -r.count, -r.mrr_minor,
        {_PLACE}
    from churn_records r
    join churn_records e on e.record_id = r.about
    left join churn_records plan on plan.record_id = e.about and {_paid("plan")}
    cross join lateral (select {_paid_since("e", "e.recorded_at")} as since) j
    cross join lateral (
        select 'returned' as name, e.occurred_at as since
        union all
        select 'asked_returned', coalesce(plan.occurred_at, e.occurred_at)
        union all
        select 'rejoined', least(j.since, e.occurred_at) where j.since is not null
    ) w
    where {_paid("r")} and r.entry = 'reversed'
"""  # noqa: S608 - words of ours
# A subscription that owes for several periods is overdue once: by the oldest of its cases that are
# open then. Who had asked to leave by then is known once more under another name.
OVERDUE = f"""
    select x.at as happened_at, x.at as recorded_at, {_paid_since("s", "x.at")} as since,
        c.currency, k.name as kind, 1 as n, m.minor, m.plan, m.interval, m.country, m.attributes,
        c.account_id, c.subscription_id
    from cases c
    cross join lateral (select c.opened_at + {OVERDUE_AFTER} as at) x
    left join subscriptions s
        on s.account_id = c.account_id and s.subscription_id = c.subscription_id
    cross join lateral (
        {_MRR_THEN.format(of="c", at="x.at")} order by 5 desc, 1, 2, 3, 4 limit 1
    ) m
    cross join lateral (
        select 'overdue' as name
        union all
        select 'overdue_asked' where exists (
            select from churn_records r
            where r.account_id = c.account_id and r.subscription_id = c.subscription_id
                and r.entry = 'pending' and r.recorded_at <= x.at and {_paid("r")}
                and not exists (
                    select from churn_records over
                    where over.account_id = r.account_id
                        and over.subscription_id = r.subscription_id
                        and over.about = r.record_id and over.recorded_at <= x.at
                )
        )
    ) k
    where c.merchant_id = :merchant and c.kind = 'payment' and WITHIN(c.opened_at)
        and {_open_at("c", "x.at")} and not exists (
            {_cases_of("p", "c")} and {_open_at("p", "x.at")}
                and (p.opened_at, p.case_id) < (c.opened_at, c.case_id)
        )
"""  # noqa: S608 - words of ours
LEFT = f"{_ENDED} union all {_RETURNED}"
LOST = f"{LEFT} union all {OVERDUE}"
