"""Every event type there is or was: tells a type without meaning for us from one unheard of.

Source: the event types that the SDK of API version 2026-10-28.endive names, snapshot and thin, and
those that older API versions had.
"""


def _types(listed: str) -> frozenset[str]:
    """Types from lines of `family: ending ending`; a line without a colon goes on."""
    found: set[str] = set()
    family = ""
    for line in listed.split("\n"):
        head, colon, endings = line.rpartition(": ")
        family = head.strip() if colon else family
        found |= {f"{family}.{ending}" for ending in endings.split()}
    return frozenset(found)


SNAPSHOT = _types(
    """
    account: updated
    account.application: authorized deauthorized
    account.external_account: created deleted updated
    application_fee: created refunded
    application_fee.refund: updated
    apps.install: created deleted updated
    balance: available
    balance_settings: updated
    billing.alert: triggered
    billing.credit_balance_transaction: created
    billing.credit_grant: created updated
    billing.meter: created deactivated reactivated updated
    billing_portal.configuration: created updated
    billing_portal.session: created
    capability: updated
    cash_balance: funds_available
    charge: captured expired failed pending refunded succeeded updated
    charge.dispute: closed created funds_reinstated funds_withdrawn updated
    charge.refund: updated
    checkout.session: async_payment_failed async_payment_succeeded completed expired
    climate.order: canceled created delayed delivered product_substituted
    climate.product: created pricing_updated
    coupon: created deleted updated
    credit_note: created updated voided
    customer: created deleted updated
    customer.discount: created deleted updated
    customer.source: created deleted expiring updated
    customer.subscription: created deleted paused pending_update_applied
        pending_update_expired resumed trial_will_end updated
    customer.tax_id: created deleted updated
    customer_cash_balance_transaction: created
    entitlements.active_entitlement_summary: updated
    file: created
    financial_connections.account: account_numbers_updated created deactivated disconnected
        expected_deactivation_date_updated reactivated refreshed_balance refreshed_ownership
        refreshed_transactions supported_payment_method_types_updated
        upcoming_account_number_expiry upcoming_deactivation
    financial_connections.authorization: expected_deactivation_date_updated
        upcoming_deactivation
    identity.verification_session: canceled created processing redacted requires_input
        verified
    invoice: created deleted finalization_failed finalized marked_uncollectible overdue
        overpaid paid payment_action_required payment_attempt_required payment_failed
        payment_succeeded sent upcoming updated voided will_be_due
    invoice_payment: paid
    invoiceitem: created deleted
    issuing_authorization: created request updated
    issuing_card: created updated
    issuing_cardholder: created updated
    issuing_dispute: closed created funds_reinstated funds_rescinded submitted updated
    issuing_personalization_design: activated deactivated rejected updated
    issuing_token: created updated
    issuing_transaction: created purchase_details_receipt_updated updated
    mandate: updated
    payment_intent: amount_capturable_updated canceled created partially_funded
        payment_failed processing requires_action succeeded
    payment_link: created updated
    payment_method: attached automatically_updated detached updated
    payout: canceled created failed paid reconciliation_completed updated
    person: created deleted updated
    plan: created deleted updated
    price: created deleted updated
    product: created deleted updated
    promotion_code: created updated
    quote: accepted canceled created finalized
    radar.early_fraud_warning: created updated
    refund: created failed updated
    reporting.report_run: failed succeeded
    reporting.report_type: updated
    reserve.hold: created updated
    reserve.plan: created disabled expired updated
    reserve.release: created
    review: closed opened
    setup_intent: canceled created requires_action setup_failed succeeded
    sigma.scheduled_query_run: created
    source: canceled chargeable failed mandate_notification refund_attributes_required
    source.transaction: created updated
    subscription_schedule: aborted canceled completed created expiring released updated
    tax.settings: updated
    tax_rate: created updated
    terminal.reader: action_failed action_succeeded action_updated
    test_helpers.test_clock: advancing created deleted internal_failure ready
    three_d_secure.authentication: canceled challenge_started errored failed
        requires_challenge requires_submission succeeded
    topup: canceled created failed reversed succeeded
    transfer: created reversed updated
    treasury.credit_reversal: created posted
    treasury.debit_reversal: completed created initial_credit_granted
    treasury.financial_account: closed created features_status_updated
    treasury.inbound_transfer: canceled created failed succeeded
    treasury.outbound_payment: canceled created expected_arrival_date_updated failed posted
        returned tracking_details_updated
    treasury.outbound_transfer: canceled created expected_arrival_date_updated failed posted
        returned tracking_details_updated
    treasury.received_credit: created failed succeeded
    treasury.received_debit: created
    """
)
# Former types, still sent to endpoints of old versions.
FORMER = _types(
    """
    bitcoin.receiver: created filled updated
    bitcoin.receiver.transaction: created
    customer.bank_account: created deleted updated
    customer.card: created deleted updated
    invoiceitem: updated
    issuer_fraud_record: created
    order: created payment_failed payment_succeeded updated
    order_return: created
    payment: created
    payment_method: card_automatically_updated
    recipient: created deleted updated
    sku: created deleted updated
    transfer: canceled failed paid
    """
)
# Only as thin events, with the prefix `v1.`.
THIN_V1 = _types(
    """
    billing.meter: error_report_triggered no_meter_found
    customer.discount: source_changed
    customer.subscription: active cancel_at_changed default_payment_method_changed
        incomplete incomplete_expired item_added item_price_changed item_quantity_changed
        item_removed item_tax_rates_changed past_due trialing unpaid
    entitlements.active_entitlement_summary: entitlement_added entitlement_removed
    financial_connections.account: balance_refresh_failed balance_refresh_succeeded
        inferred_balances_refresh_failed inferred_balances_refresh_succeeded
        ownership_refresh_failed ownership_refresh_succeeded
        risk_intelligence_refresh_failed risk_intelligence_refresh_succeeded
        transactions_refresh_failed transactions_refresh_succeeded
    invoice: discount_added discount_removed line_item_added line_item_pricing_changed
        line_item_quantity_changed line_item_removed
    invoice_payment: canceled open
    invoiceitem: amount_changed discount_added discount_removed
    price: activated deactivated lookup_key_changed tax_behavior_changed
    product: activated deactivated default_price_changed tax_code_changed
    promotion_code: fully_redeemed
    subscription_schedule: phase_added phase_default_tax_rates_changed
        phase_end_date_changed phase_removed phase_trial_end_changed
    """
)
# Only as thin events, with the prefix `v2.`.
THIN_V2 = _types(
    """
    commerce.product_catalog.imports: failed processing succeeded succeeded_with_errors
    core.account: closed created updated
    core.account[configuration.customer]: capability_status_updated updated
    core.account[configuration.merchant]: capability_status_updated updated
    core.account[configuration.recipient]: capability_status_updated updated
    core.account[defaults]: updated
    core.account[future_requirements]: updated
    core.account[identity]: updated
    core.account[requirements]: updated
    core.account_link: returned
    core.account_person: created deleted updated
    core.event_destination: ping
    money_management.adjustment: created
    money_management.financial_account: created updated
    money_management.financial_address: activated failed
    money_management.inbound_transfer: available bank_debit_failed bank_debit_processing
        bank_debit_queued bank_debit_returned bank_debit_succeeded
    money_management.outbound_payment: canceled created failed posted returned under_review
        updated
    money_management.payout_intent: canceled created pending posted processing
        requires_action updated
    money_management.payout_method: created updated
    money_management.received_credit: available failed returned succeeded
    money_management.recipient_verification: created updated
    money_management.transaction: created updated
    """
)


def is_known(name: str) -> bool:
    """Whether Stripe has, or had, this event type; `v1.` in front names the thin form."""
    version, _, rest = name.partition(".")
    if version == "v1":
        return rest in SNAPSHOT or rest in THIN_V1
    return name in SNAPSHOT or name in FORMER or (version == "v2" and rest in THIN_V2)
