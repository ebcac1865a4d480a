"""Rows of a ledger; a test names what matters to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.churn import ChurnCause, ChurnEntry, ChurnKind, ChurnRecord
from app.domain.declines import DeclineKind
from app.domain.dunning import Attempt, AttemptState, Case, CaseEvent, CaseState, Trigger
from app.domain.experiments import Assignment
from app.domain.first_payments import FirstPayment
from app.domain.ids import derive_id
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.mirror import Invoice, InvoiceStatus, Payment
from app.domain.mrr import MovementKind, MrrMovement
from app.domain.openings import RETRY_EXPERIMENT
from app.domain.recovery import Cause, EntryKind, Failure, RecoveryEntry
from app.domain.redemptions import Redemption
from app.domain.redemptions import RedemptionState as S
from app.domain.saves import Rung, SaveStep
from app.domain.sessions import CancelSession, SessionState
from app.domain.takings import Taking

MERCHANT, ACCOUNT = "mer_1", "acc_1"
JAN_1 = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)


def day(number: int, hour: int = 12) -> datetime:
    """Noon of a day of January 2026; later months go on counting."""
    return JAN_1.replace(hour=hour) + timedelta(days=number - 1)


def merchant(merchant_id: str = MERCHANT) -> Merchant:
    return Merchant(merchant_id=merchant_id, name="Kelp", created_at=JAN_1)


def the_account(account_id: str = ACCOUNT, merchant_id: str = MERCHANT) -> ProviderAccount:
    return ProviderAccount(account_id=account_id, merchant_id=merchant_id, created_at=JAN_1)


def entry(
    minor: int,
    kind: EntryKind = EntryKind.RECOVERED,
    *,
    at: datetime = JAN_1,
    ref: object = None,
    **more: Any,
) -> RecoveryEntry:
    fields: dict[str, Any] = {
        "merchant_id": MERCHANT,
        "account_id": ACCOUNT,
        "invoice_id": "in_1",
        "case_id": None,
        "cause": Cause.HOLDFAST_RETRY,
        "assisted_by": None,
        "currency": "usd",
        "tax_minor": 0,
        "plan": "basic",
        "interval": "month",
        "failed_at": JAN_1,
        "recorded_at": at,
    } | more
    ref = f"{kind}-{fields['invoice_id']}-{at.isoformat()}" if ref is None else str(ref)
    return RecoveryEntry(
        entry_id=derive_id("entry", at, fields["account_id"], kind, ref),
        kind=kind,
        amount_minor=minor,
        occurred_at=at,
        provider_ref=ref,
        **fields,
    )


def failure(minor: int, *, at: datetime = JAN_1, invoice: str = "in_1", **more: Any) -> Failure:
    fields: dict[str, Any] = {
        "merchant_id": MERCHANT,
        "account_id": ACCOUNT,
        "version": 1,
        "customer_id": "cus_1",
        "subscription_id": "sub_1",
        "case_id": None,
        "currency": "usd",
        "plan": "basic",
        "interval": "month",
        "trial_conversion": False,
        "exclusion": None,
        "recorded_at": at,
    } | more
    return Failure(invoice_id=invoice, amount_minor=minor, failed_at=at, **fields)


def case(invoice: str = "in_1", **more: Any) -> Case:
    fields: dict[str, Any] = {"opened_at": JAN_1} | more
    return Case(
        case_id=f"case_{invoice}",
        merchant_id=MERCHANT,
        account_id=ACCOUNT,
        invoice_id=invoice,
        window_ends_at=fields["opened_at"] + timedelta(days=28),
        **fields,
    )


def held_out(
    invoice: str = "in_1", customer: str | None = "cus_1", arm: str = "holdout"
) -> Assignment:
    """The arm of a case."""
    return Assignment(
        merchant_id=MERCHANT,
        experiment=RETRY_EXPERIMENT,
        unit=f"case_{invoice}",
        customer_id=customer,
        arm=arm,
        holdout_percent=10,
        drawn_at=JAN_1,
    )


def moved(state: CaseState, *, at: datetime, invoice: str = "in_1") -> CaseEvent:
    """The timeline's line about a move of a case."""
    return CaseEvent(
        event_id=derive_id("case_event", at, invoice, state),
        merchant_id=MERCHANT,
        case_id=f"case_{invoice}",
        at=at,
        type=state.value,
        text="moved",
    )


def refused(
    invoice: str = "in_1",
    kind: DeclineKind = DeclineKind.INSUFFICIENT_FUNDS,
    brand: str = "visa",
    *,
    at: datetime = JAN_1,
    told_at: datetime | None = None,
) -> Attempt:
    """The first attempt of a case, and when its refusal was told."""
    told = told_at or at
    attempt = Attempt(
        attempt_id=f"att_{invoice}",
        merchant_id=MERCHANT,
        account_id=ACCOUNT,
        case_id=f"case_{invoice}",
        number=1,
        trigger=Trigger.PROVIDER,
        state=AttemptState.DECLINED,
        currency="usd",
        amount_minor=100,
        brand=brand,
        intent_at=at,
        resolved_at=told,
        decline_kind=kind,
    )
    return attempt.refused(kind, at=told)


def movement(
    minor: int, kind: MovementKind = MovementKind.NEW, *, at: datetime = JAN_1, **more: Any
) -> MrrMovement:
    fields: dict[str, Any] = {
        "merchant_id": MERCHANT,
        "account_id": ACCOUNT,
        "subscription_id": "sub_1",
        "customer_id": "cus_1",
        "currency": "usd",
        "source": f"{kind}-{at.isoformat()}",
        "effective_at": at,
        "recorded_at": at,
    } | more
    return MrrMovement(
        movement_id=derive_id("movement", at, fields["subscription_id"], fields["source"]),
        kind=kind,
        delta_minor=minor,
        occurred_at=at,
        **fields,
    )


def churned(
    subscription: str = "sub_1",
    *,
    at: datetime = JAN_1,
    entry: ChurnEntry = ChurnEntry.CHURNED,
    kind: ChurnKind = ChurnKind.VOLUNTARY,
    minor: int = 10_000,
    **more: Any,
) -> ChurnRecord:
    sign = 1 if entry in {ChurnEntry.CHURNED, ChurnEntry.PENDING} else -1
    fields: dict[str, Any] = {
        "merchant_id": MERCHANT,
        "account_id": ACCOUNT,
        "cause": ChurnCause.REQUESTED,
        "currency": "usd",
        "plan": "basic",
        "interval": "month",
        "started_at": JAN_1 - timedelta(days=400),
        "tenure_days": 400,
        "source": f"{entry}-{at.isoformat()}",
        "recorded_at": at,
    } | more
    return ChurnRecord(
        record_id=record_id(subscription, entry, at),
        subscription_id=subscription,
        entry=entry,
        kind=kind,
        mrr_minor=sign * minor,
        count=sign,
        occurred_at=at,
        **fields,
    )


def record_id(subscription: str, entry: ChurnEntry, at: datetime) -> str:
    """The id of a churn record that `churned` makes."""
    return derive_id("churn", at, ACCOUNT, subscription, entry)


def redemption(
    session: str, *, at: datetime, offer: str = "half", state: S = S.APPLIED, **more: Any
) -> Redemption:
    fields: dict[str, Any] = {"cost_minor": 3_000, "subscription_id": "sub_1", "settled_at": at}
    fields |= more
    return Redemption(
        redemption_id=f"red_{session}",
        merchant_id=MERCHANT,
        account_id=ACCOUNT,
        customer_id="cus_1",
        session_id=session,
        offer_id=offer,
        kind="discount",
        terms={},
        state=state,
        currency="usd",
        claimed_at=at,
        **fields,
    )


def session(session_id: str, *, at: datetime = JAN_1, reason: str | None = None) -> CancelSession:
    return CancelSession(
        session_id=session_id,
        merchant_id=MERCHANT,
        account_id=ACCOUNT,
        customer_id="cus_1",
        subscription_id="sub_1",
        token_hash=session_id,
        flow="default@1",
        step="survey",
        state=SessionState.SAVED,
        reason=reason,
        opened_at=at,
        expires_at=at + timedelta(days=1),
        ended_at=at,
    )


def judged(
    session_id: str, rung: Rung, *, at: datetime, kept: bool, subscription: str = "sub_1"
) -> SaveStep:
    """A session at a rung of the save ladder."""
    return SaveStep(
        session_id=session_id,
        rung=rung,
        merchant_id=MERCHANT,
        account_id=ACCOUNT,
        subscription_id=subscription,
        offer_id="half",
        offer_kind="discount",
        kept=kept,
        currency="usd",
        mrr_minor=2_000,
        begun_at=at,
        due_at=at + timedelta(days=30),
        recorded_at=at + timedelta(days=30),
    )


def payment(minor: int, *, at: datetime, invoice: str = "in_1", **more: Any) -> Payment:
    """A payment as the provider told of it."""
    fields: dict[str, Any] = {"status": "succeeded"} | more
    return Payment(
        merchant_id=MERCHANT,
        account_id=ACCOUNT,
        payment_id=f"pi_{invoice}_{at.isoformat()}",
        invoice_id=invoice,
        amount_minor=minor,
        occurred_at=at,
        **fields,
    )


def taking(minor: int, *, at: datetime, invoice: str = "in_1", **more: Any) -> Taking:
    """What a payment was told to have brought, or with `refunded_minor` given back."""
    fields: dict[str, Any] = {
        "subscription_id": "sub_1",
        "currency": "usd",
        "refunded_minor": 0,
        "recorded_at": at,
    } | more
    facts = (invoice, minor, fields["refunded_minor"], fields["recorded_at"])
    return Taking(
        taking_id=derive_id("taking", at, *facts),
        merchant_id=MERCHANT,
        account_id=ACCOUNT,
        payment_id=f"pi_{invoice}_{at.isoformat()}",
        invoice_id=invoice,
        paid_minor=minor,
        occurred_at=at,
        **fields,
    )


def paid_at_once(invoice: str, minor: int, *, at: datetime, **more: Any) -> FirstPayment:
    """An invoice that went through at once."""
    fields: dict[str, Any] = {"plan": "basic", "interval": "month", "country": None}
    fields |= {"subscription_id": "sub_1", "currency": "usd"} | more
    return FirstPayment(
        merchant_id=MERCHANT,
        account_id=ACCOUNT,
        invoice_id=invoice,
        amount_minor=minor,
        paid_at=at,
        **{"recorded_at": at} | fields,
    )


def paid_invoice(invoice: str, minor: int, *, at: datetime, **more: Any) -> Invoice:
    return Invoice(
        merchant_id=MERCHANT,
        account_id=ACCOUNT,
        invoice_id=invoice,
        status=InvoiceStatus.PAID,
        paid_minor=minor,
        paid_at=at,
        **more,
    )
