"""Questions about charges, cases and the ledger."""

from app.storage.invariants.words import (
    BEGINS,
    KEEPS_GOING,
    MAKES_ATTEMPTS,
    OURS,
    SLACK,
    UNSENT,
    newest_move,
)
from app.storage.reports.verdicts import MOVES

# Cases that money was entered for lately.
_PAID = """
select distinct r.case_id from recovery_entries r
where r.merchant_id = :merchant and r.recorded_at >= :since and r.kind = 'recovered'
"""
# Cases that moved lately.
_MOVED = f"""
select distinct e.case_id from case_events e
where e.merchant_id = :merchant and e.at >= :since and e.type in {MOVES}
"""
_OURS_LATELY = f"""
a.merchant_id = :merchant and a.intent_at >= :since and a.trigger in {OURS}
    and a.state not in {UNSENT}
"""

QUESTIONS = {
    "captured_twice": f"""
        select a.case_id as subject, count(*) || ' attempts brought money' as said
        from ({_PAID}) paid join attempts a on a.case_id = paid.case_id
        where a.state = 'approved' and a.trigger in {OURS}
        group by a.case_id having count(*) > 1
    """,
    "paid_beyond_due": f"""
        select c.case_id as subject, i.paid_minor || ' of ' || i.due_minor || ' minor units' as said
        from ({_PAID}) paid join cases c on c.case_id = paid.case_id
        join invoices i on i.account_id = c.account_id and i.invoice_id = c.invoice_id
        where i.paid_minor > i.due_minor
    """,
    "charge_after_stop": f"""
        select a.attempt_id as subject,
            'the case was ' || m.type || ' at ' || m.at || ', the charge began at ' || a.intent_at
                as said
        from attempts a
        cross join {newest_move("a.case_id", f"and e.at < a.intent_at - {SLACK}")} m
        where {_OURS_LATELY} and m.type not in {BEGINS}
    """,
    "dead_card_charged": f"""
        select a.attempt_id as subject, 'the refusal was ' || u.use_ref as said
        from attempts a
        join card_budgets u on u.account_id = a.account_id
            and u.card_key = coalesce(a.fingerprint, a.method_id)
        join attempts refused on refused.account_id = u.account_id
            and refused.provider_ref = u.use_ref
        left join payment_methods m on m.account_id = a.account_id and m.method_id = a.method_id
        where {_OURS_LATELY} and u.never and refused.resolved_at < a.intent_at - {SLACK}
            and (u.expiry is null or m.exp_month is null
                or u.expiry = m.exp_year || '-' || lpad(m.exp_month::text, 2, '0'))
    """,
    "active_without_action": f"""
        select c.case_id as subject, 'it is ' || coalesce(c.waits, 'active') as said
        from cases c
        where c.merchant_id = :merchant and c.state = 'active' and not exists (
            select from actions a
            where a.case_id = c.case_id and a.state = 'pending' and a.kind in {KEEPS_GOING}
        )
    """,
    "attempt_without_maker": f"""
        select c.case_id as subject, 'announced for ' || c.next_attempt_at as said
        from cases c
        where c.merchant_id = :merchant and c.state = 'active' and c.driven
            and c.next_attempt_at is not null and not exists (
                select from actions a
                where a.case_id = c.case_id and a.state = 'pending' and a.kind in {MAKES_ATTEMPTS}
            )
        union all
        select c.case_id, 'it is ' || c.state
        from ({_MOVED}) moved join cases c on c.case_id = moved.case_id
        where c.state <> 'active' and c.next_attempt_at is not null
    """,
    "window_outlived": """
        select c.case_id as subject, 'its window was over at ' || c.window_ends_at as said
        from cases c
        where c.merchant_id = :merchant and c.state = 'active'
            and c.waits is distinct from 'on_hold'
            and c.window_ends_at < :now
                - case when c.driven then interval '2 days' else interval '9 days' end
    """,
    "case_unlike_invoice": f"""
        select c.case_id as subject, 'active, its invoice is ' || i.status as said
        from cases c
        join invoices i on i.account_id = c.account_id and i.invoice_id = c.invoice_id
        where c.merchant_id = :merchant and c.state = 'active'
            and i.status in ('paid', 'void', 'deleted') and i.seen_at <= :until
        union all
        select c.case_id, 'recovered, its invoice is ' || i.status
        from ({_MOVED}) moved join cases c on c.case_id = moved.case_id
        join invoices i on i.account_id = c.account_id and i.invoice_id = c.invoice_id
        where c.state = 'recovered' and i.status <> 'paid' and i.seen_at <= :until
    """,
    "recovered_unlike_ledger": f"""
        select c.case_id as subject, c.recovered_minor || ', by the ledger ' || booked.minor as said
        from ({_PAID} union {_MOVED}) changed join cases c on c.case_id = changed.case_id
        cross join lateral (
            select coalesce(sum(r.amount_minor), 0) as minor from recovery_entries r
            where r.account_id = c.account_id and r.invoice_id = c.invoice_id
                and r.kind = 'recovered'
        ) booked
        where c.recovered_minor <> booked.minor
    """,
    "attempts_too_close": f"""
        select a.attempt_id as subject, 'the one before began at ' || b.intent_at as said
        from attempts a join attempts b on b.case_id = a.case_id and b.number <> a.number
        where {_OURS_LATELY} and a.trigger = 'holdfast' and b.trigger = 'holdfast'
            and b.state not in {UNSENT} and b.intent_at <= a.intent_at
            and a.intent_at < b.intent_at + interval '20 hours'
        union all
        select many.case_id, many.n || ' automatic attempts'
        from (
            select b.case_id, count(*) as n
            from (select distinct a.case_id from attempts a where {_OURS_LATELY}) lately
            join attempts b on b.case_id = lately.case_id
            where b.trigger = 'holdfast' and b.state not in {UNSENT}
            group by b.case_id
        ) many
        where many.n > 15
    """,
    "failure_without_case": """
        select i.invoice_id as subject, 'seen at ' || i.seen_at as said
        from invoices i
        where i.merchant_id = :merchant and i.status = 'open' and i.attempt_count > 0
            and i.collection_method = 'charge_automatically'
            and i.seen_at >= :since and i.seen_at <= :until
            and not exists (
                select from cases c
                where c.account_id = i.account_id and c.invoice_id = i.invoice_id
            )
            and not exists (
                select from failures f
                where f.account_id = i.account_id and f.invoice_id = i.invoice_id
                    and f.exclusion is not null
            )
    """,
    "state_untold": f"""
        select c.case_id as subject, 'it is ' || c.state || ', told is ' || m.type as said
        from ({_MOVED}) moved join cases c on c.case_id = moved.case_id
        cross join {newest_move("c.case_id")} m
        where c.state <> case when m.type in {BEGINS} then 'active' else m.type end
        union all
        select e.case_id, 'it was recovered before it was ' || e.type
        from case_events e
        where e.merchant_id = :merchant and e.at >= :since and e.type in {MOVES}
            and e.type <> 'recovered' and exists (
                select from case_events r
                where r.case_id = e.case_id and r.type = 'recovered' and r.seq < e.seq
            )
    """,
    "attempt_in_doubt": """
        select a.attempt_id as subject, a.state || ' since ' || a.intent_at as said
        from attempts a
        where a.merchant_id = :merchant and a.intent_at <= :until
            and a.state in ('sent', 'unknown')
    """,
    "forgiven_charged": f"""
        select a.attempt_id as subject, 'forgiven by ' || r.request_id as said
        from attempts a join cases c on c.case_id = a.case_id
        join cancel_requests r on r.account_id = c.account_id
            and r.subscription_id = c.subscription_id
        where {_OURS_LATELY} and r.requested_at < a.intent_at - {SLACK}
            and r.state not in ('undone', 'refused')
            and r.invoices @> jsonb_build_array(
                jsonb_build_object('invoice', c.invoice_id, 'outcome', 'forgiven')
            )
    """,
    "case_parked": """
        select c.case_id as subject, 'since ' || c.closed_at as said
        from cases c
        where c.merchant_id = :merchant and c.state = 'parked'
    """,
    "end_without_notice": """
        select c.case_id as subject, 'ended at ' || e.at as said
        from case_events e join cases c on c.case_id = e.case_id
        where e.merchant_id = :merchant and e.at >= :since and e.type = 'exhausted'
            and c.state = 'exhausted' and c.driven and not c.silent
            and c.reason like 'the window is over%'
            and exists (
                select from messages m where m.case_id = c.case_id and m.template = 'final_notice'
            )
            and not exists (
                select from messages m
                where m.case_id = c.case_id and m.template = 'final_notice'
                    and (m.state in ('failed', 'dropped') or m.state in ('sent', 'unknown')
                        and coalesce(m.sent_at, m.due_at) <= e.at - interval '72 hours')
            )
    """,
}
