"""What cancel sessions, previews and receipts look like from outside."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.api.parameters import ProviderId
from app.domain.cancellations import CancelRequest, Choice, Preview, RequestState, Source
from app.domain.flows import Flow, FlowStep, StepKind
from app.domain.languages import written
from app.domain.reasons import said
from app.domain.redemptions import Redemption, RedemptionState
from app.domain.sessions import CancelSession, SessionState
from app.services.cancel_sessions import Said
from app.services.exits import SessionView
from app.words.leaving import Tongue, choice_named, foretold, screen_of

PlainText = Annotated[str, Field(max_length=2000, pattern=r"^[^\u0000-\u0008\u000b-\u001f]*$")]
Line = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\u0000-\u001f\u007f]+$")]
StepId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$", examples=["why"])]
Ten = Annotated[int, Field(ge=0, le=10)]
LANGUAGE = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$"


class OpenIn(BaseModel):
    """Which subscription is to be left. A customer's token says who they are; a backend names the
    subscription and may say more of the customer."""

    model_config = ConfigDict(extra="forbid")
    subscription: ProviderId | None = Field(
        default=None, description="Left out by a customer who has one alone."
    )
    account: ProviderId | None = Field(
        default=None,
        description="`acc_…`, from a backend; needed where several of your accounts know the id.",
    )
    language: Annotated[str | None, Field(pattern=LANGUAGE, max_length=35)] = None
    place: Annotated[str | None, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] = Field(
        default=None, description="The jurisdiction, from a backend: `DE`, `US-CA`."
    )
    attributes: Annotated[dict[Line, Line], Field(max_length=20)] = Field(
        default={}, description="The merchant's own words about the customer, from a backend."
    )


class AnswerIn(BaseModel):
    """What was answered at a step. Everything but the step may be left out."""

    model_config = ConfigDict(extra="forbid")
    step: StepId
    reason: StepId | None = None
    follow_up: PlainText | None = None
    words: PlainText | None = Field(default=None, description="The customer's own.")
    competitor: Annotated[str | None, Field(max_length=120)] = None
    rating: Ten | None = None
    likely: Ten | None = Field(default=None, description="To come back.")

    def said(self) -> Said:
        """The same for the service."""
        return Said(**{name: getattr(self, name) for name in Said.__slots__})


class StepIn(BaseModel):
    """Which step a command is about."""

    model_config = ConfigDict(extra="forbid")
    step: StepId


class WithdrawIn(BaseModel):
    """The word of a withdrawal."""

    model_config = ConfigDict(extra="forbid")
    told: Annotated[str | None, Field(pattern="^[0-9a-f]{16}$")] = Field(
        default=None,
        description="That of the preview that was shown: 409, and nothing is done, where it would "
        "be something else by now.",
    )


class ConfirmIn(WithdrawIn):
    """The word. Without a choice it is the default of the preview."""

    choice: Choice | None = None


class OutcomeIn(BaseModel):
    """What came of an offer that you keep yourself."""

    model_config = ConfigDict(extra="forbid")
    kept: StrictBool = Field(
        description="`true`: it was kept, the customer stays for it. `false`: nothing came of it."
    )


class OutcomeOut(BaseModel):
    """An offer that was accepted in a session, and what came of it."""

    session: str
    subscription: str
    offer: str = Field(description="The step of the flow that made it.")
    kind: str
    state: RedemptionState
    settled_at: datetime | None

    @classmethod
    def of(cls, redemption: Redemption) -> "OutcomeOut":
        """An accepted offer, as it is shown."""
        return cls(
            session=redemption.session_id,
            subscription=redemption.subscription_id,
            offer=redemption.offer_id,
            kind=redemption.kind,
            state=redemption.state,
            settled_at=redemption.settled_at,
        )


class ReasonOut(BaseModel):
    """A reason that the survey offers, in the session's language."""

    id: str
    label: str
    follow_up: str | None = Field(description="A question once it is chosen.")


class OfferOut(BaseModel):
    """What accepting would do, in money and dates, as it will be charged. What is null is not
    known or does not come; a preview of a flow knows the kind alone."""

    kind: str
    currency: str | None = None
    now_minor: int | None = Field(
        default=None,
        description="Charged at once; what a renewal has drafted already, within the hour.",
    )
    next_minor: int | None = Field(default=None, description="Charged at `next_at`.")
    next_at: datetime | None = None
    then_minor: int | None = Field(default=None, description="The regular charge afterwards.")
    until: datetime | None = Field(default=None, description="How long the offer runs.")
    resumes_at: datetime | None = Field(default=None, description="When a pause ends.")
    undoes_end: bool = Field(default=False, description="A planned end is taken back.")
    ends_schedule: bool = Field(default=False, description="Planned changes are given up.")

    @classmethod
    def of(cls, step: FlowStep, quote: dict[str, Any] | None) -> "OfferOut | None":
        """The offer of a step, with its quote where it was made to somebody."""
        if step.offer is None:
            return None
        known = {name: quote[name] for name in cls.model_fields if quote and name in quote}
        return cls(**{"kind": step.offer["kind"], **known})


class StepOut(BaseModel):
    """The step to be shown."""

    id: str
    kind: StepKind
    heading: str | None = Field(description="The merchant's own words; null: yours.")
    body: str | None
    reasons: list[ReasonOut] = Field(description="Of a survey.")
    offer: OfferOut | None
    asks: list[str] = Field(
        description="Of feedback: `words`, `competitor`, and from 0 to 10 `rating` and `likely`."
    )


class OpenInvoiceOut(BaseModel):
    """An open invoice, and what becomes of it."""

    invoice: str
    number: str | None
    currency: str
    amount_minor: int
    outcome: str = Field(description="`forgiven`, `still_due`, or `refunded`.")


class PreviewOut(BaseModel):
    """What one end would do. `label` stands on the button, `says` beside it."""

    choice: Choice
    told: str = Field(description="What tells this preview from another: send it with the word.")
    label: str = Field(description="In the session's language.")
    says: list[str] = Field(description="What is told of it, in the session's language.")
    access_until: datetime
    currency: str
    owed_minor: int = Field(description="Still to be paid.")
    forgiven_minor: int = Field(description="Need not be paid any more.")
    refund_minor: int
    next_charge_minor: int | None = Field(
        description="What is still charged at the end, for what was used; null: nothing."
    )
    lets_go: bool = Field(
        description="A change of plan that was agreed does not take place, unless the cancellation "
        "is taken back."
    )
    invoices: list[OpenInvoiceOut]

    @classmethod
    def of(cls, told: Preview, tongue: Tongue, *, alone: bool) -> "PreviewOut":
        """A preview as it is shown; `alone`: there is no other end."""
        return cls(
            choice=told.choice,
            told=told.mark,
            label=choice_named(told, tongue, alone=alone),
            says=foretold(told, tongue),
            access_until=told.access_until,
            currency=told.currency,
            owed_minor=told.owed_minor,
            forgiven_minor=told.forgiven_minor,
            refund_minor=told.refund_minor,
            next_charge_minor=told.next_minor,
            lets_go=told.lets_go,
            invoices=[OpenInvoiceOut(**row) for row in told.invoices],
        )


class PreviewsOut(BaseModel):
    """What may be chosen, the default first."""

    choices: list[PreviewOut]


class ReceiptOut(BaseModel):
    """A cancellation, as it was confirmed. `requested_at` is when the customer said it."""

    id: str
    state: RequestState
    source: Source
    choice: Choice
    subscription: str
    plan: str | None
    requested_at: datetime
    ends_at: datetime
    reason: str | None
    while_past_due: bool
    invoices: list[OpenInvoiceOut]

    @classmethod
    def of(cls, request: CancelRequest) -> "ReceiptOut":
        """A request as it is shown."""
        return cls(
            id=request.request_id,
            state=request.state,
            source=request.source,
            choice=request.choice,
            subscription=request.subscription_id,
            plan=request.plan,
            requested_at=request.requested_at,
            ends_at=request.ends_at,
            reason=request.reason,
            while_past_due=request.while_past_due,
            invoices=[OpenInvoiceOut(**row) for row in request.invoices],
        )


class UndoneOut(ReceiptOut):
    """A cancellation that was taken back."""

    plans_again: bool = Field(
        description="A change of plan that was agreed, and went for the end, takes place after all."
    )

    @classmethod
    def undone(cls, request: CancelRequest, *, plans_again: bool) -> "UndoneOut":
        """A request as it is shown once it is taken back."""
        return cls(**dict(ReceiptOut.of(request)), plans_again=plans_again)


class RowOut(BaseModel):
    """A fact with its name."""

    label: str
    value: str


class LinkOut(BaseModel):
    """Where to go on, on a page of the merchant's. Open it with `noopener`."""

    label: str
    url: str = Field(description="https.")


class ScreenOut(BaseModel):
    """What to show now, in the session's language."""

    name: str = Field(
        description="The kind of the step, or of what came of the session: `done`, `undone`, "
        "`saved`, `applying`, `waiting` (for a payment, at `page` + `/pay`), `closed`."
    )
    heading: str
    says: list[str]
    rows: list[RowOut] = Field(description="Of a receipt, and of what one is reminded of.")
    link: LinkOut | None = Field(
        default=None, description="Where an accepted offer is kept: a person, a page."
    )


class SessionOut(BaseModel):
    """A session as it stands: the step to show and what may be done."""

    id: str
    state: SessionState
    subscription: str
    plan: str | None
    merchant: str
    language: str
    flow: str = Field(description="The flow and its version.")
    step: StepOut
    at: int = Field(description="How many steps were shown.")
    screen: ScreenOut
    may: list[str] = Field(
        description="What may be done now; `confirm` at every step, `uncancel` before the end, "
        "`withdraw` while there is the right to. Of an offer that waits for its payment `accept` "
        "looks again and `decline` gives it up."
    )
    reason: str | None
    expires_at: datetime
    receipt: ReceiptOut | None

    @classmethod
    def of(cls, view: SessionView) -> "SessionOut":
        """A session as it is shown."""
        return cls(**_fields(view))


class OpenedOut(SessionOut):
    """A session with the token that acts in it."""

    token: str
    page: str = Field(description="Where the same is done without a script. As secret as `token`.")

    @classmethod
    def opened(cls, view: SessionView, token: str, public_url: str) -> "OpenedOut":
        """A session as it is opened or resumed."""
        return cls(**_fields(view), token=token, page=f"{public_url}/c/{token}")


def _fields(view: SessionView) -> dict[str, Any]:
    session: CancelSession = view.session
    return {
        "id": session.session_id,
        "state": session.state,
        "subscription": session.subscription_id,
        "plan": view.plan,
        "merchant": view.merchant_name,
        "language": session.language,
        "flow": session.flow,
        "screen": _screen(view),
        "step": step_out(
            view.step, view.flow, written(session.language) or "en", quote=session.quote
        ),
        "at": len(session.seen),
        "may": list(view.may),
        "reason": session.reason,
        "expires_at": session.expires_at,
        "receipt": ReceiptOut.of(view.request) if view.request else None,
    }


def _screen(view: SessionView) -> ScreenOut:
    tongue = tongue_of(view.session, view.time_zone, view.merchant_name)
    shown = screen_of(
        view.session,
        view.step,
        view.request,
        tongue,
        view.usage,
        view.accepted,
        waits=view.waits,
    )
    rows = [RowOut(label=label, value=value) for label, value in shown.rows]
    link = LinkOut(label=shown.link[0], url=shown.link[1]) if shown.link else None
    return ScreenOut(name=shown.name, heading=shown.heading, says=shown.says, rows=rows, link=link)


def tongue_of(session: CancelSession, time_zone: str, merchant: str = "") -> Tongue:
    """How the customer of a session is spoken to."""
    return Tongue(language=session.language, time_zone=time_zone, merchant=merchant)


def step_out(
    step: FlowStep, flow: Flow, language: str, quote: dict[str, Any] | None = None
) -> StepOut:
    """A step in a language."""
    texts = step.texts.get(language) or step.texts.get("en") or {}
    reasons = flow.reasons if step.kind is StepKind.SURVEY else ()
    return StepOut(
        id=step.id,
        kind=step.kind,
        heading=texts.get("heading"),
        body=texts.get("body"),
        reasons=[
            ReasonOut(id=row.id, label=row.label(language), follow_up=said(row.follow_up, language))
            for row in reasons
        ],
        offer=OfferOut.of(step, quote),
        asks=list(step.asks),
    )
