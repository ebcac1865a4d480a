"""Questions about what is due, letters, commands and whose rows are whose."""

from app.domain.actions import ActionKind
from app.storage.invariants.words import (
    ANSWERED,
    ENDED_THERE,
    OURS,
    OVER,
    SLACK,
    URGES,
    has_pending,
    newest_move,
    says_our_end,
)

_LEFT_LATELY = "m.merchant_id = :merchant and m.sent_at >= :since"

QUESTIONS = {
    "action_late": """
        select a.action_id as subject, a.kind || ' was due at ' || a.due_at as said
        from actions a
        where a.merchant_id = :merchant and a.state = 'pending' and a.leased_until is null
            and a.due_at <= :until
        union all
        select a.action_id, a.kind || ' was claimed, its lease is over since ' || a.leased_until
        from actions a
        where a.merchant_id = :merchant and a.state = 'pending' and a.due_at <= :until
            and a.leased_until <= (select clock_timestamp() - interval '5 minutes')
    """,
    "lease_without_end": """
        select a.action_id as subject, a.kind || ' is claimed until ' || a.leased_until as said
        from actions a
        where a.merchant_id = :merchant and a.state = 'pending' and a.due_at <= :now
            and a.leased_until > (select clock_timestamp() + interval '15 minutes')
    """,
    # Two cases of a subscription: one that ends it leaves the other to its own window.
    "left_and_collected": f"""
        select c.case_id as subject, 'its subscription is ' || s.status as said
        from cases c
        join subscriptions s on s.account_id = c.account_id
            and s.subscription_id = c.subscription_id
        where c.merchant_id = :merchant and c.state = 'active'
            and s.status in {ENDED_THERE} and s.seen_at <= :until
            and not exists (
                select from cases o
                where o.account_id = c.account_id and o.subscription_id = c.subscription_id
                    and {says_our_end("o")}
            )
            and not exists (
                select from policies p
                where p.merchant_id = :merchant and p.name || '@' || p.version = c.policy
                    and p.document ->> 'after_cancel' <> 'forgive'
            )
        union all
        select c.case_id, 'its customer is deleted'
        from cases c
        join customers u on u.account_id = c.account_id and u.customer_id = c.customer_id
        where c.merchant_id = :merchant and c.state = 'active' and not {says_our_end("c")}
            and (u.deleted or u.erased) and u.seen_at <= :until
    """,
    # Each charge is told of by webhooks: where ours were answered and nothing came, none arrive.
    "webhooks_silent": f"""
        select a.account_id as subject, 'a charge began at ' || max(a.intent_at) as said
        from attempts a
        where a.merchant_id = :merchant and a.intent_at >= :since and a.intent_at <= :until
            and a.trigger in {OURS} and a.state in {ANSWERED}
            and not exists (
                select from inbox i
                where i.merchant_id = :merchant and i.account_id = a.account_id
                    and i.handled_at >= a.intent_at - {SLACK}
            )
        group by a.account_id
    """,
    "cancel_forgotten": f"""
        select r.request_id as subject, 'asked at ' || r.requested_at as said
        from cancel_requests r
        where r.merchant_id = :merchant and r.state = 'asked' and r.requested_at <= :until
            and not {has_pending(ActionKind.CANCEL, "r.request_id", "r.account_id")}
    """,
    "offer_forgotten": f"""
        select r.redemption_id as subject, r.state || ' since ' || r.claimed_at as said
        from redemptions r
        where r.merchant_id = :merchant and r.state in ('applying', 'waiting', 'undoing')
            and r.claimed_at <= :until
            and not {has_pending(ActionKind.RESOLVE_REDEMPTION, "r.redemption_id", "r.account_id")}
    """,
    "letter_forgotten": f"""
        select m.message_id as subject, m.state || ', due at ' || m.due_at as said
        from messages m
        where m.merchant_id = :merchant and m.state in ('planned', 'sending')
            and m.due_at <= :until
            and not {has_pending(ActionKind.SEND, "m.message_id", "m.account_id")}
            and not {has_pending(ActionKind.CONFIRM, "m.message_id", "m.account_id")}
            and m.case_id is not null
    """,
    "event_unhandled": """
        select i.event_id as subject, i.type || ', received at ' || i.received_at as said
        from inbox i
        where i.merchant_id = :merchant and i.state = 'pending' and i.received_at <= :until
    """,
    "step_mailed_twice": f"""
        select m.message_id as subject, m.step || ' went out as ' || other.message_id || ' too'
            as said
        from messages m join messages other on other.case_id = m.case_id
            and other.step = m.step and other.channel = m.channel
            and other.message_id <> m.message_id
        where {_LEFT_LATELY} and m.state = 'sent' and (other.state = 'unknown'
            or other.state = 'sent'
                and (other.sent_at, other.message_id) < (m.sent_at, m.message_id))
    """,
    "letter_after_the_end": f"""
        select m.message_id as subject, 'sent at ' || m.sent_at || ', the case was ' || ended.type
            || ' at ' || ended.at as said
        from messages m
        cross join {newest_move("m.case_id", "and e.at < m.sent_at - interval '1 hour'")} ended
        where {_LEFT_LATELY} and m.template in {URGES} and ended.type in {OVER}
    """,
    "row_of_another": f"""
        select a.attempt_id as subject, 'its case is another merchant''s' as said
        from attempts a
        where a.merchant_id = :merchant and a.intent_at >= :since and not exists (
            select from cases c
            where c.case_id = a.case_id and c.merchant_id = :merchant
                and c.account_id = a.account_id
        )
        union all
        select m.message_id, 'its case is another customer''s'
        from messages m
        where {_LEFT_LATELY} and m.case_id is not null and not exists (
            select from cases c
            where c.case_id = m.case_id and c.merchant_id = :merchant
                and c.account_id = m.account_id
                and c.customer_id is not distinct from m.customer_id
        )
    """,
    "command_unaudited": """
        select k.subject as subject, 'ordered at ' || k.at as said
        from idempotency_keys k
        where k.merchant_id = :merchant and k.at >= :since and not exists (
            select from audit_log l
            where l.merchant_id = :merchant and l.at = k.at and l.subject = k.subject
        )
    """,
}
