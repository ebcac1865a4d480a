create view reporting.recovery_entries as
select
    entry_id, merchant_id, account_id, invoice_id, case_id, kind, cause, assisted_by, currency,
    amount_minor, tax_minor, plan, interval, provider_ref, failed_at, occurred_at, recorded_at
from public.recovery_entries

create view reporting.failures as
select distinct on (account_id, invoice_id)
    merchant_id, account_id, invoice_id, version, customer_id, subscription_id, case_id,
    currency, amount_minor, plan, interval, trial_conversion, exclusion, failed_at, recorded_at
from public.failures
order by account_id, invoice_id, version desc

create view reporting.first_payments as
select
    merchant_id, account_id, invoice_id, subscription_id, currency, amount_minor, plan,
    interval, country, paid_at, recorded_at
from public.first_payments

create view reporting.cases as
select
    case_id, merchant_id, account_id, invoice_id, customer_id, subscription_id, kind, state,
    waits, mode, driven, arm, currency, amount_minor, due_minor, recovered_minor, plan,
    interval, trial_conversion, decline_kind, failures, attempts_used, opened_at,
    window_ends_at, next_attempt_at, closed_at, cause
from public.cases

create view reporting.attempts as
select
    attempt_id, merchant_id, account_id, case_id, number, trigger, state, currency,
    amount_minor, brand, decline_kind, provider_ref, intent_at, resolved_at
from public.attempts

create view reporting.mrr_movements as
select
    movement_id, merchant_id, account_id, subscription_id, customer_id, kind, currency,
    delta_minor, plan, interval, country, occurred_at, effective_at, recorded_at
from public.mrr_movements

create view reporting.churn_records as
select
    record_id, merchant_id, account_id, subscription_id, customer_id, entry, kind, cause,
    origin, while_past_due, trial, decline_class, reason, feedback, currency, mrr_minor, count,
    plan, interval, segment, country, tenure_days, started_at, requested_at, ends_at,
    occurred_at, recorded_at, about, case_id, session_id, replaced_by
from public.churn_records

create view reporting.redemptions as
select
    redemption_id, merchant_id, account_id, customer_id, subscription_id, session_id, offer_id,
    kind, state, cost_minor, currency, claimed_at, settled_at, resumes_at
from public.redemptions

create view reporting.save_steps as
select
    session_id, rung, merchant_id, account_id, customer_id, subscription_id, redemption_id,
    offer_id, offer_kind, reason, plan, interval, kept, why, currency, mrr_minor, cost_minor,
    begun_at, due_at, recorded_at
from public.save_steps

create view reporting.survey_answers as
select
    session_id, step, merchant_id, subscription_id, reason, competitor, rating, likely, flags,
    at
from public.survey_answers

create view reporting.messages as
select
    message_id, merchant_id, account_id, customer_id, case_id, subscription_id, step, template,
    channel, language, state, due_at, sent_at
from public.messages
