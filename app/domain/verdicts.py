"""Why a subscription ends: who wanted it, judged by what stood when the provider said so."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.cancellations import UNPAID, CancelRequest, standing_request
from app.domain.churn import ChurnCause, ChurnKind
from app.domain.departures import requests_of
from app.domain.dunning import Case
from app.domain.mirror import Subscription
from app.domain.movements import INVOLUNTARY_PAUSES, ended_by_us
from app.domain.records import Book

# What a merchant may write into the metadata of a subscription before ending it.
WORD_OF_MERCHANT = "end_reason"
BY_MERCHANT: Mapping[str, ChurnCause] = {
    "fraud": ChurnCause.FRAUD,
    "terms": ChurnCause.TERMS,
    "dispute": ChurnCause.DISPUTED,
}
# The provider's `cancellation_details.reason`.
TOLD: Mapping[str, tuple[ChurnKind, ChurnCause]] = {
    "cancellation_requested": (ChurnKind.VOLUNTARY, ChurnCause.REQUESTED),
    "payment_failed": (ChurnKind.INVOLUNTARY, ChurnCause.PAYMENT_FAILED),
    "payment_disputed": (ChurnKind.MERCHANT, ChurnCause.DISPUTED),
    "canceled_by_retention_policy": (ChurnKind.MERCHANT, ChurnCause.TERMS),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Who ended it and why. `case` is the latest effort to collect, `request` the word that
    stood."""

    kind: ChurnKind
    cause: ChurnCause
    while_past_due: bool = False
    case: Case | None = None
    request: CancelRequest | None = None
    replaced_by: str | None = None

    def replaced(self, by: str) -> "Verdict":
        """The same end, seen to make room for another subscription."""
        kind, cause = ChurnKind.MIGRATION, ChurnCause.REPLACED
        return replace(self, kind=kind, cause=cause, replaced_by=by)


def verdict_on(
    book: Book, before: Subscription | None, after: Subscription, at: datetime
) -> Verdict:
    """Judge an end, or the plan of one, reported `at`. A request that stands beats everything
    else: who asked to leave did, however it came to pass."""
    request = standing_request(requests_of(book, after), after.subscription_id)
    owed = before is not None and before.status in UNPAID
    case = _latest_case(book, after)
    kind, cause = _judged(book, after, request, at, owed=owed)
    return Verdict(
        kind=kind,
        cause=cause,
        while_past_due=owed or (request is not None and request.while_past_due),
        case=case,
        request=request,
    )


def _judged(
    book: Book,
    after: Subscription,
    request: CancelRequest | None,
    at: datetime,
    *,
    owed: bool,
) -> tuple[ChurnKind, ChurnCause]:
    said = (after.metadata or {}).get(WORD_OF_MERCHANT)
    if isinstance(said, str) and said in BY_MERCHANT:
        return ChurnKind.MERCHANT, BY_MERCHANT[said]
    if request is not None:
        return ChurnKind.VOLUNTARY, ChurnCause.REQUESTED
    if ended_by_us(book, after, at):
        return ChurnKind.INVOLUNTARY, ChurnCause.DUNNING_ENDED
    if after.status == "unpaid":
        return ChurnKind.INVOLUNTARY, ChurnCause.UNPAID
    if after.status == "paused" and after.pause_reason in INVOLUNTARY_PAUSES:
        return ChurnKind.INVOLUNTARY, ChurnCause.PAUSED_UNPAID
    told = TOLD.get(after.cancellation_reason or "")
    if told is not None:
        return told
    kind = ChurnKind.INVOLUNTARY if owed else ChurnKind.VOLUNTARY
    return kind, ChurnCause.UNTOLD


def _latest_case(book: Book, after: Subscription) -> Case | None:
    about = {
        "account_id": after.account_id,
        "subscription_id": after.subscription_id,
    }
    return max(
        book.all(Case, **about), key=lambda case: (case.opened_at, case.case_id), default=None
    )
