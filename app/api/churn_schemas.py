"""What churn records look like from outside."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.parameters import Currency, Instant, ProviderId
from app.domain.churn import ChurnCause, ChurnEntry, ChurnKind, ChurnOrigin, ChurnRecord
from app.services.churn import ChurnQuery

Word = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]


class ChurnParameters(BaseModel):
    """The filters of the list; those given must all hold."""

    model_config = ConfigDict(extra="forbid")
    entry: Annotated[list[ChurnEntry], Field(max_length=5, description="Any of these.")] = []
    kind: Annotated[list[ChurnKind], Field(max_length=4, description="Any of these.")] = []
    cause: Annotated[list[ChurnCause], Field(max_length=10, description="Any of these.")] = []
    origin: Annotated[list[ChurnOrigin], Field(max_length=3, description="Any of these.")] = []
    customer: ProviderId | None = Field(default=None, description="The provider's id.")
    subscription: ProviderId | None = Field(default=None, description="The provider's id.")
    reason: Word | None = Field(default=None, description="An id of a survey's reason.")
    plan: Word | None = Field(default=None, description="The plan's name.")
    currency: Currency | None = None
    trial: bool | None = Field(default=None, description="Ends of trials alone, or none of them.")
    occurred_from: Instant | None = Field(default=None, description="Happened then or later.")
    occurred_to: Instant | None = Field(default=None, description="Happened before then.")
    as_of: Instant | None = Field(
        default=None, description="Recorded by then: asked again later, the same lines."
    )
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of a page.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    @model_validator(mode="after")
    def _span(self) -> Self:
        if self.occurred_from and self.occurred_to and self.occurred_from >= self.occurred_to:
            raise ValueError("occurred_from must be before occurred_to")
        return self

    def query(self) -> ChurnQuery:
        """The same for the service."""
        return ChurnQuery(
            entries=self.entry,
            kinds=self.kind,
            causes=self.cause,
            origins=self.origin,
            customer=self.customer,
            subscription=self.subscription,
            reason=self.reason,
            plan=self.plan,
            currency=self.currency,
            trial=self.trial,
            occurred_from=self.occurred_from,
            occurred_to=self.occurred_to,
            as_of=self.as_of,
        )


class ChurnRecordOut(BaseModel):
    """A line of the churn ledger. Lines are added, never changed: sum `count` and `mrr_minor`."""

    id: str
    provider_account: str
    subscription: str
    customer: str | None
    entry: ChurnEntry = Field(
        description="`churned`: access ended. `reversed`: the customer came back. `restated`: "
        "takes a line back because more is known. `pending`: an end is planned; `withdrawn`: not "
        "any more."
    )
    kind: ChurnKind
    cause: ChurnCause
    origin: ChurnOrigin = Field(
        description="`seen` by us, told by the provider's `history`, or by an `import`."
    )
    while_past_due: bool
    trial: bool = Field(description="It was never paid for.")
    count: int = Field(description="1, or -1 where a line is taken back.")
    currency: str = Field(description="ISO 4217, lower case; `xxx` where none is known.")
    mrr_minor: int = Field(description="MRR that was lost, minor units; negative if taken back.")
    reason: str | None = Field(description="The id of the survey's reason, or the nearest to it.")
    feedback: str | None = Field(description="The provider's word.")
    decline_class: str | None = Field(description="What the last refusal meant, if money was owed.")
    plan: str | None
    interval: str | None
    segment: str | None = Field(description="Your word: `segment` in the provider's metadata.")
    country: str | None
    tenure_days: int | None = Field(description="Whole days since the subscription began.")
    started_at: datetime | None
    requested_at: datetime | None
    ends_at: datetime | None = Field(description="The end that was planned.")
    occurred_at: datetime = Field(description="The provider's end of access; of a plan, the word.")
    recorded_at: datetime
    about: str | None = Field(description="The line taken back, or the plan that was carried out.")
    case: str | None
    cancel_request: str | None
    session: str | None
    replaced_by: str | None = Field(description="The subscription that took its place.")

    @classmethod
    def of(cls, record: ChurnRecord) -> "ChurnRecordOut":
        """A record as it is shown."""
        named = {
            "id": record.record_id,
            "provider_account": record.account_id,
            "subscription": record.subscription_id,
            "customer": record.customer_id,
            "case": record.case_id,
            "cancel_request": record.request_id,
            "session": record.session_id,
        }
        same = {name: getattr(record, name) for name in cls.model_fields if name not in named}
        return cls(**named, **same)


class ChurnRecordList(BaseModel):
    """A page."""

    churn_records: list[ChurnRecordOut]
    next: str | None = Field(description="The cursor of the following page; null at the end.")
