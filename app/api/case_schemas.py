"""What cases look like from outside. The experiment's arm is not among it, on purpose."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.parameters import Currency, Instant, ProviderId
from app.domain.actions import Action, ActionKind
from app.domain.declines import DeclineKind
from app.domain.dunning import (
    Attempt,
    AttemptState,
    Case,
    CaseEvent,
    CaseKind,
    CaseState,
    Trigger,
    Waits,
)
from app.domain.holds import Hold, HoldReason, holds_of
from app.domain.merchants import CollectionMode
from app.domain.messages import Message, MessageState
from app.services.cases import CaseFile, CaseQuery, LinkSteps, shown_inputs


class CaseParameters(BaseModel):
    """The filters of the list; those given must all hold."""

    model_config = ConfigDict(extra="forbid")
    state: Annotated[list[CaseState], Field(max_length=5, description="Any of these.")] = []
    waits: Annotated[list[Waits], Field(max_length=3, description="Any of these.")] = []
    customer: ProviderId | None = Field(default=None, description="The provider's id.")
    subscription: ProviderId | None = Field(default=None, description="The provider's id.")
    invoice: ProviderId | None = Field(default=None, description="The provider's id.")
    currency: Currency | None = None
    opened_from: Instant | None = Field(default=None, description="Opened then or later.")
    opened_to: Instant | None = Field(default=None, description="Opened before then.")
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of a page.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    @model_validator(mode="after")
    def _span(self) -> Self:
        if self.opened_from and self.opened_to and self.opened_from >= self.opened_to:
            raise ValueError("opened_from must be before opened_to")
        return self

    def query(self) -> CaseQuery:
        """The same for the service."""
        return CaseQuery(
            states=self.state,
            waits=self.waits,
            customer=self.customer,
            subscription=self.subscription,
            invoice=self.invoice,
            currency=self.currency,
            opened_from=self.opened_from,
            opened_to=self.opened_to,
        )


class HoldOut(BaseModel):
    """A reason for which a case waits."""

    name: str = Field(description="The reason, or the provider's id of a dispute.")
    reason: HoldReason
    until: datetime | None = Field(description="When it ends by itself; null: when released.")
    note: str | None

    @classmethod
    def of(cls, hold: Hold) -> "HoldOut":
        """A hold as it is shown."""
        return cls(name=hold.name, reason=hold.reason, until=hold.until, note=hold.note)


class CaseOut(BaseModel):
    """The effort to collect one unpaid invoice. Amounts in minor units of `currency`."""

    id: str
    provider_account: str
    invoice: str
    customer: str | None
    subscription: str | None
    kind: CaseKind = Field(description="`payment`, or `invoice` for one that is never charged.")
    state: CaseState
    waits: Waits | None = Field(description="What an active case waits for.")
    holds: list[HoldOut] = Field(description="Why it is on hold; it goes on with the last.")
    reason: str | None = Field(
        description="Why it stands where it stands; `credited` where a credit note ended it."
    )
    currency: str = Field(description="ISO 4217, lower case.")
    amount_minor: int = Field(description="Owed at the first failed attempt.")
    due_minor: int = Field(description="Owed now.")
    recovered_minor: int
    plan: str | None
    interval: str | None
    collection_mode: CollectionMode
    driven: bool = Field(description="Whether we retry, and the provider no longer does.")
    policy: str = Field(description="The policy version it began with, `name@version`.")
    trial_conversion: bool
    decline_kind: DeclineKind | None = Field(description="What the latest refusal means.")
    failures: int = Field(description="Refused attempts by anybody.")
    attempts_used: int = Field(description="Attempts of ours, which the policy limits.")
    opened_at: datetime
    window_ends_at: datetime
    next_attempt_at: datetime | None
    closed_at: datetime | None
    cause: str | None = Field(description="Why the money came back, once it did.")

    @classmethod
    def of(cls, case: Case) -> "CaseOut":
        """A case as it is shown."""
        return cls(**_facts(case))


class DeclineOut(BaseModel):
    """Why an attempt was refused: our kind, beside the words of provider and network."""

    kind: DeclineKind
    code: str | None = None
    advice: str | None = None
    brand: str | None = None
    network_decline_code: str | None = None
    network_advice_code: str | None = None


class AttemptOut(BaseModel):
    """One try to charge the invoice."""

    id: str
    number: int = Field(description="Counts from 1 within the case, over all triggers.")
    trigger: Trigger
    state: AttemptState
    currency: str
    amount_minor: int
    at: datetime
    resolved_at: datetime | None
    decline: DeclineOut | None
    provider_ref: str | None

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptOut":
        """An attempt as it is shown."""
        return cls(
            id=attempt.attempt_id,
            number=attempt.number,
            trigger=attempt.trigger,
            state=attempt.state,
            currency=attempt.currency,
            amount_minor=attempt.amount_minor,
            at=attempt.intent_at,
            resolved_at=attempt.resolved_at,
            decline=_decline(attempt),
            provider_ref=attempt.provider_ref,
        )


class MessageOut(BaseModel):
    """One message to the customer. The body is not kept, so it is not shown."""

    id: str
    step: str
    template: str
    channel: str
    recipient: str
    language: str
    state: MessageState
    due_at: datetime
    sent_at: datetime | None
    subject: str | None
    reason: str | None = Field(description="Why it was dropped or failed.")

    @classmethod
    def of(cls, message: Message) -> "MessageOut":
        """A message as it is shown."""
        return cls(
            id=message.message_id,
            step=message.step,
            template=message.template,
            channel=message.channel,
            recipient=message.recipient,
            language=message.language,
            state=message.state,
            due_at=message.due_at,
            sent_at=message.sent_at,
            subject=message.subject,
            reason=message.reason,
        )


class LinkOut(BaseModel):
    """A payment link and how far the customer went with it: the funnel of one letter."""

    id: str
    message: str | None = Field(description="The message it was in.")
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    opened_at: datetime | None = Field(
        description="A person had the page before them. Scanners that follow links do not count."
    )
    went_to_provider_at: datetime | None = Field(description="The button was pressed.")
    paid_at: datetime | None = Field(description="Money came in by way of this link.")

    @classmethod
    def of(cls, steps: LinkSteps) -> "LinkOut":
        """A link as it is shown."""
        return cls(
            id=steps.link.link_id,
            message=steps.link.message_id,
            created_at=steps.link.created_at,
            expires_at=steps.link.expires_at,
            sent_at=steps.sent_at,
            opened_at=steps.opened_at,
            went_to_provider_at=steps.went_to_provider_at,
            paid_at=steps.paid_at,
        )


class TimelineOut(BaseModel):
    """What happened or was decided, in words, and from which inputs."""

    at: datetime
    type: str
    text: str
    inputs: dict[str, Any]

    @classmethod
    def of(cls, event: CaseEvent) -> "TimelineOut":
        """A line as it is shown."""
        return cls(at=event.at, type=event.type, text=event.text, inputs=shown_inputs(event.data))


class NextActionOut(BaseModel):
    """What the database holds to be done next."""

    kind: ActionKind
    due_at: datetime
    note: str | None

    @classmethod
    def of(cls, action: Action) -> "NextActionOut":
        """An action as it is shown."""
        return cls(kind=action.kind, due_at=action.due_at, note=action.note)


class CaseFileOut(CaseOut):
    """A case with all that belongs to it, each list oldest first."""

    attempts: list[AttemptOut]
    messages: list[MessageOut]
    links: list[LinkOut]
    timeline: list[TimelineOut]
    next_action: NextActionOut | None

    @classmethod
    def of_file(cls, file: CaseFile) -> "CaseFileOut":
        """A case file as it is shown."""
        action = file.next_action
        return cls(
            **_facts(file.case),
            attempts=[AttemptOut.of(attempt) for attempt in file.attempts],
            messages=[MessageOut.of(message) for message in file.messages],
            links=[LinkOut.of(steps) for steps in file.links],
            timeline=[TimelineOut.of(event) for event in file.timeline],
            next_action=NextActionOut.of(action) if action else None,
        )


class CaseList(BaseModel):
    """A page of cases."""

    cases: list[CaseOut]
    next: str | None = Field(description="Cursor of the following page; null at the end.")


RENAMED = {
    "id": "case_id",
    "provider_account": "account_id",
    "invoice": "invoice_id",
    "customer": "customer_id",
    "subscription": "subscription_id",
    "collection_mode": "mode",
}


def _facts(case: Case) -> dict[str, Any]:
    shown = {name: getattr(case, RENAMED.get(name, name)) for name in CaseOut.model_fields}
    return shown | {"holds": [HoldOut.of(hold) for hold in holds_of(case)]}


def _decline(attempt: Attempt) -> DeclineOut | None:
    if attempt.decline_kind is None:
        return None
    told = attempt.decline or {}
    names = set(DeclineOut.model_fields) - {"kind"}
    words = {name: str(told[name]) for name in names if told.get(name) is not None}
    return DeclineOut(kind=attempt.decline_kind, **words)
