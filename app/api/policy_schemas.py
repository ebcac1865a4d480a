"""What policies look like from outside."""

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, RootModel
from pydantic_core import CoreSchema

from app.api.case_schemas import CaseOut
from app.api.parameters import Currency, Instant
from app.domain.declines import Decline, DeclineKind
from app.domain.merchants import CollectionMode
from app.domain.policies import PolicyState, PolicyVersion
from app.domain.policy_fields import MOST_MINOR, json_schema
from app.domain.preview import Line
from app.domain.preview_cast import Assumed
from app.services.policies import PolicyFile

Label = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}@[1-9][0-9]{0,6}$")]
Number = Annotated[int, Field(ge=1, le=1_000_000)]
# Far enough from the ends of the calendar that no window leaves it.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
PlainText = Annotated[str, Field(pattern=r"^[^\u0000-\u001f\u007f]{1,500}$")]


class PolicyDocument(RootModel[dict[str, Any]]):
    """What is done about a failed payment. `GET /v1/policies/schema` gives this schema alone."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = json_schema()
        return {name: schema[name] for name in schema if name != "$schema"}


class VersionOut(BaseModel):
    """One version of a policy. Its document never changes."""

    version: int
    state: PolicyState
    made_at: datetime | None = Field(description="null: the policy file, not yet used.")
    made_by: str = Field(description="An API key, or `deployment` for the policy file.")
    published_at: datetime | None
    published_by: str | None
    retired_at: datetime | None

    @classmethod
    def of(cls, row: PolicyVersion) -> "VersionOut":
        """A version as it is shown."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class PolicyHead(BaseModel):
    """A policy by its name."""

    name: str
    newest_version: int
    version_in_force: int | None = Field(description="What new cases are given; null: nothing.")

    @classmethod
    def of(cls, file: PolicyFile) -> "PolicyHead":
        """A policy as a list shows it."""
        return cls(
            name=file.name,
            newest_version=file.newest.version,
            version_in_force=file.in_force,
        )


class PolicyList(BaseModel):
    """A merchant's policies, by name."""

    policies: list[PolicyHead]


class PolicyOut(PolicyHead):
    """A policy with one of its documents, and what became of each version."""

    version: int = Field(description="Of the document shown here.")
    state: PolicyState
    document: dict[str, Any]
    versions: list[VersionOut] = Field(description="The newest first.")

    @classmethod
    def shown(cls, file: PolicyFile, version: int | None = None) -> "PolicyOut":
        """A policy with the document of this version, the newest where none is named. Raises
        `UnknownPolicy`."""
        row = file.version(version)
        return cls(
            **PolicyHead.of(file).model_dump(),
            version=row.version,
            state=row.state,
            document=row.document,
            versions=[VersionOut.of(one) for one in file.versions],
        )


class VersionIn(BaseModel):
    """Which version a command is about."""

    model_config = ConfigDict(extra="forbid")
    version: Number


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is no time zone of the IANA database")
    return name


class FailureIn(BaseModel):
    """A failed payment to try a policy on. Every later attempt is refused for the same reason."""

    model_config = ConfigDict(extra="forbid")
    at: Instant | None = Field(default=None, description="Now, where it is left out.")
    decline_kind: DeclineKind = DeclineKind.INSUFFICIENT_FUNDS
    network_advice_code: Annotated[str | None, Field(pattern="^[0-9]{2}$")] = None
    brand: Annotated[str | None, Field(pattern="^[a-z]{1,20}$")] = None
    rail: Annotated[str, Field(pattern="^[a-z_]{1,40}$")] = "card"
    card_country: Annotated[str | None, Field(pattern="^[A-Z]{2}$")] = None
    amount_minor: Annotated[int, Field(ge=1, le=MOST_MINOR)] = 3000
    currency: Currency = "usd"
    plan: PlainText | None = None
    interval: Annotated[str, Field(pattern="^(day|week|month|year)$")] = "month"
    trial_conversion: bool = False
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_zone)] = "UTC"
    segment: Annotated[dict[PlainText, PlainText], Field(max_length=20)] = {}

    def assumed(self, now: datetime) -> Assumed:
        """The same for the decision."""
        return Assumed(
            at=min(max(self.at or now, EARLIEST), LATEST),
            decline=Decline(
                kind=self.decline_kind,
                brand=self.brand,
                network_advice_code=self.network_advice_code,
            ),
            amount_minor=self.amount_minor,
            currency=self.currency,
            plan=self.plan,
            interval=self.interval,
            trial_conversion=self.trial_conversion,
            rail=self.rail,
            country=self.card_country,
            time_zone=self.time_zone,
            segment=dict(self.segment),
        )


class PreviewOfIn(BaseModel):
    """What to preview of a stored policy."""

    model_config = ConfigDict(extra="forbid")
    version: Number | None = Field(default=None, description="The newest, where it is left out.")
    failure: FailureIn = FailureIn()
    collection_mode: CollectionMode = CollectionMode.DRIVE
    cursor: Annotated[str | None, Field(max_length=200)] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class PreviewIn(PreviewOfIn):
    """A document to preview before it is stored."""

    version: None = None
    document: PolicyDocument


class LineOut(BaseModel):
    """What would happen at an instant, and why."""

    at: datetime
    kind: str = Field(description="`retry`, `message`, `dropped`, `access` or `end`.")
    what: str = Field(description="The attempt's number, the step, the level, or how it ends.")
    why: str

    @classmethod
    def of(cls, line: Line) -> "LineOut":
        """A line as it is shown."""
        return cls(at=line.at, kind=line.kind, what=line.what, why=line.why)


class TouchedOut(BaseModel):
    """Active cases that would get this policy if they failed today and have another. Publishing
    moves none of them."""

    cases: list[CaseOut]
    scanned: int = Field(description="Active cases looked at for this page.")
    next: str | None = Field(description="Cursor of the following page; null at the end.")


class PreviewOut(BaseModel):
    """What a policy would do."""

    applies: bool = Field(description="Whether this failure would get this policy.")
    timeline: list[LineOut]
    touched: TouchedOut


class MoveIn(BaseModel):
    """A page of a bulk move."""

    model_config = ConfigDict(extra="forbid")
    cursor: Annotated[str | None, Field(max_length=200)] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class RefusalOut(BaseModel):
    """A case that was not moved."""

    case: str
    why: str


class MovedOut(BaseModel):
    """What a page of a bulk move did. Ask with `next` until it is null."""

    policy: str
    moved: list[str]
    refused: list[RefusalOut]
    next: str | None


class CaseMoveIn(BaseModel):
    """The version a case is to go on under."""

    model_config = ConfigDict(extra="forbid")
    policy: Label = Field(description="`name@version`; published now or before.")
