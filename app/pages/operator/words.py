"""What the operator's pages call things: a word and a sentence for each value, in tables."""

from collections.abc import Mapping

from app.domain.actions import ActionKind
from app.domain.declines import DeclineKind
from app.domain.dunning import AttemptState, CaseState, Trigger, Waits
from app.domain.holds import HoldReason
from app.domain.messages import MessageState
from app.domain.policies import PolicyState

# Each state has a tone, which has a colour; the word beside it says the same to everybody.
STATES: Mapping[CaseState, tuple[str, str]] = {
    CaseState.ACTIVE: ("Active", "going"),
    CaseState.PARKED: ("Parked", "look"),
    CaseState.RECOVERED: ("Recovered", "good"),
    CaseState.EXHAUSTED: ("Exhausted", "lost"),
    CaseState.STOPPED: ("Stopped", "over"),
}
WAITS: Mapping[Waits, tuple[str, str]] = {
    Waits.RETRYING: ("Retrying", "going"),
    Waits.CUSTOMER: ("Waits for customer", "ask"),
    Waits.ON_HOLD: ("On hold", "look"),
}
DECLINES: Mapping[DeclineKind, str] = {
    DeclineKind.NEVER: "Card must not be tried again",
    DeclineKind.NEW_METHOD: "Needs another card",
    DeclineKind.FIX_DATA: "Card details are wrong",
    DeclineKind.CUSTOMER_AUTHENTICATE: "Bank wants a confirmation",
    DeclineKind.NO_PAYMENT_METHOD: "No payment method",
    DeclineKind.INSUFFICIENT_FUNDS: "Short of funds",
    DeclineKind.LIMIT_EXCEEDED: "Over a limit",
    DeclineKind.RETRY_LATER: "Bank says: later",
    DeclineKind.RETRY_FEW_AND_ASK: "Refused without a reason",
    DeclineKind.PROCESSOR_ERROR: "Processor failed",
    DeclineKind.RECONCILE_FIRST: "Answer unclear",
    DeclineKind.MERCHANT_PROBLEM: "Our account's problem",
    DeclineKind.UNKNOWN: "Unknown reason",
}
TRIGGERS: Mapping[Trigger, str] = {
    Trigger.HOLDFAST: "Holdfast",
    Trigger.PROVIDER: "The provider",
    Trigger.CUSTOMER: "The customer",
    Trigger.NEW_CARD: "A new card",
    Trigger.ACCOUNT_UPDATER: "The account updater",
    Trigger.BACKUP_CARD: "A backup card",
    Trigger.OPERATOR: "An operator",
}
ATTEMPTS: Mapping[AttemptState, tuple[str, str]] = {
    AttemptState.PLANNED: ("Planned", "over"),
    AttemptState.SENT: ("Sent", "going"),
    AttemptState.APPROVED: ("Approved", "good"),
    AttemptState.DECLINED: ("Refused", "lost"),
    AttemptState.ACTION_REQUIRED: ("Needs the customer", "ask"),
    AttemptState.PROCESSING: ("With the bank", "going"),
    AttemptState.UNKNOWN: ("In doubt", "look"),
    AttemptState.NOT_EXECUTED: ("Not made", "over"),
}
LETTERS: Mapping[MessageState, tuple[str, str]] = {
    MessageState.PLANNED: ("Planned", "over"),
    MessageState.SENDING: ("Leaving", "going"),
    MessageState.SENT: ("Sent", "good"),
    MessageState.UNKNOWN: ("In doubt", "look"),
    MessageState.FAILED: ("Failed", "lost"),
    MessageState.DROPPED: ("Not sent", "over"),
}
VERSIONS: Mapping[PolicyState, tuple[str, str]] = {
    PolicyState.DRAFT: ("Draft", "over"),
    PolicyState.PUBLISHED: ("In force", "good"),
    PolicyState.RETIRED: ("Retired", "over"),
}
# What the database holds to be done next, as a sentence that an instant completes.
NEXT: Mapping[ActionKind, str] = {
    ActionKind.ASSESS: "Look at the live invoice and decide",
    ActionKind.RETRY: "Charge the card",
    ActionKind.RESOLVE: "Find out what became of an attempt in doubt",
    ActionKind.WATCH: "Look whether the provider has ended it",
    ActionKind.END: "End the case as the policy says",
    ActionKind.RELEASE: "Go on: the hold ends",
}
HOLDS: Mapping[HoldReason, str] = {
    HoldReason.OPERATOR: "By an operator",
    HoldReason.PROMISE_TO_PAY: "Promised to pay",
    HoldReason.DISPUTE: "Disputed",
}
LINES: Mapping[str, str] = {
    "opened": "Case opened",
    "decision": "Decision",
    "declined": "Refused",
    "failed": "Refused",
    "message": "Letter",
    "recovered": "Recovered",
    "exhausted": "Exhausted",
    "stopped": "Stopped",
    "parked": "Parked",
    "waits": "Waits",
    "on_hold": "On hold",
    "hold_lifted": "Hold lifted",
    "ordered": "Ordered",
    "taken_up": "Taken up again",
    "taken_over": "Taken over",
    "given_back": "Given back",
    "unknown": "In doubt",
    "processing": "With the bank",
    "not_executed": "Not made",
    "refunded": "Refunded",
    "owing": "Amount changed",
    "policy_moved": "Policy changed",
}
TONES: Mapping[str, str] = {
    "recovered": "good",
    "exhausted": "lost",
    "stopped": "over",
    "declined": "lost",
    "failed": "lost",
    "parked": "look",
    "on_hold": "look",
    "unknown": "look",
    "decision": "going",
}
INPUTS: Mapping[str, str] = {
    "amount_minor": "Amount",
    "attempts_used": "Attempts of ours so far",
    "brand": "Network",
    "advice": "Provider's advice",
    "blocked": "Blocked by the provider's rules",
    "cause": "Cause",
    "code": "Provider's code",
    "decline": "Refusal means",
    "failures": "Refusals so far",
    "kind": "Refusal means",
    "mode": "Collection mode",
    "network_advice_code": "Network's advice code",
    "network_decline_code": "Network's code",
    "policy": "Policy version",
    "rail": "Payment rail",
    "template": "Letter",
    "time_zone": "Customer's time zone",
    "uses_of_this_card": "Attempts on this card by anybody",
}
FOLLOWED: Mapping[str, str] = {
    "sent": "sent",
    "opened": "opened",
    "went_to_provider": "went on to pay",
    "paid": "paid",
}


def plain(name: str) -> str:
    """A name of the code as words: the last resort for values that no table has."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]
