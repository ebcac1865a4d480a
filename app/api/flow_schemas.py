"""What cancel flows look like from outside."""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, RootModel
from pydantic_core import CoreSchema

from app.api.cancel_schemas import LANGUAGE, Line, StepId, StepOut, step_out
from app.domain.compliance.law import RULES
from app.domain.compliance.rules import Certainty, Rule
from app.domain.flow_fields import json_schema
from app.domain.flows import FlowState, FlowVersion
from app.domain.policy_fields import MOST_MINOR
from app.services.cancel_counts import AnswerCounts, ReasonCount
from app.services.flow_previews import Assumed, Shown
from app.services.flows import FlowFile

Number = Annotated[int, Field(ge=0, le=1_000_000)]


class FlowDocument(RootModel[dict[str, Any]]):
    """What somebody who wants to leave is shown. `GET /v1/cancel-flows/schema` gives this schema
    alone."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = json_schema()
        return {name: schema[name] for name in schema if name != "$schema"}


class FlowVersionOut(BaseModel):
    """One version of a flow. Its document never changes."""

    version: int = Field(description="0 is the flow that is shipped.")
    state: FlowState
    made_at: datetime
    made_by: str = Field(description="An API key, or `deployment` for the shipped flow.")
    published_at: datetime | None
    published_by: str | None
    retired_at: datetime | None

    @classmethod
    def of(cls, row: FlowVersion) -> "FlowVersionOut":
        """A version as it is shown."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class FlowHead(BaseModel):
    """A flow by its name."""

    name: str
    newest_version: int
    version_in_force: int | None = Field(description="What new sessions are given; null: nothing.")

    @classmethod
    def of(cls, file: FlowFile) -> "FlowHead":
        """A flow as a list shows it."""
        return cls(
            name=file.name,
            newest_version=file.newest.version,
            version_in_force=file.in_force,
        )


class FlowList(BaseModel):
    """A merchant's flows, by name."""

    flows: list[FlowHead]


class FlowOut(FlowHead):
    """A flow with one of its documents, and what became of each version."""

    version: int = Field(description="Of the document shown here.")
    state: FlowState
    document: dict[str, Any]
    versions: list[FlowVersionOut] = Field(description="The newest first.")

    @classmethod
    def shown(cls, file: FlowFile, version: int | None = None) -> "FlowOut":
        """A flow with the document of this version, the newest where none is named. Raises
        `UnknownFlow`."""
        row = file.version(version)
        return cls(
            **FlowHead.of(file).model_dump(),
            version=row.version,
            state=row.state,
            document=row.document,
            versions=[FlowVersionOut.of(one) for one in file.versions],
        )


class FlowVersionIn(BaseModel):
    """Which version a command is about."""

    model_config = ConfigDict(extra="forbid")
    version: Number


class LeavingIn(BaseModel):
    """Somebody made up, to try a flow on."""

    model_config = ConfigDict(extra="forbid")
    version: Number | None = Field(default=None, description="The newest, where left out.")
    language: Annotated[str, Field(pattern=LANGUAGE, max_length=35)] = "en"
    place: Annotated[str | None, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] = None
    reason: StepId | None = None
    plan: Line | None = None
    interval: Annotated[str | None, Field(pattern="^(day|week|month|year)$")] = None
    trial: bool = False
    tenure_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    mrr_minor: Annotated[int, Field(ge=0, le=MOST_MINOR)] = 0
    attributes: Annotated[dict[Line, Line], Field(max_length=20)] = {}

    def assumed(self) -> Assumed:
        """The same for the service."""
        told = self.model_dump(exclude={"version"})
        return Assumed(**told)


class FlowPreviewOut(BaseModel):
    """The screens somebody would see, in their order, were every offer declined; and what the law
    of the place has against the flow."""

    applies: bool = Field(description="Whether this customer is given this flow.")
    steps: list[StepOut]
    offers: bool = Field(description="Whether an offer may be shown in this place.")
    breaks: list[str] = Field(description="Rules that keep it from being published.")

    @classmethod
    def of(cls, seen: Shown, language: str) -> "FlowPreviewOut":
        """A preview as it is shown."""
        return cls(
            applies=seen.applies,
            steps=[step_out(step, seen.flow, language) for step in seen.steps],
            offers=seen.offers,
            breaks=list(seen.breaks),
        )


class RuleOut(BaseModel):
    """A rule of the law as we read it; have counsel confirm what concerns you."""

    id: str
    places: list[str] = Field(description="`*` anywhere, `US` all its states.")
    says: str
    since: date
    until: date | None
    source: str
    certainty: Certainty
    kept_by: str | None = Field(description="How the service keeps it whatever a flow says.")

    @classmethod
    def of(cls, rule: Rule) -> "RuleOut":
        """A rule as it is shown."""
        told = {name: getattr(rule, name) for name in cls.model_fields}
        return cls(**told | {"places": list(rule.places)})


class RulesOut(BaseModel):
    """All rules that flows are checked against."""

    rules: list[RuleOut]

    @classmethod
    def all(cls) -> "RulesOut":
        """The whole table."""
        return cls(rules=[RuleOut.of(rule) for rule in RULES])


class ReasonCountOut(BaseModel):
    """One reason and how the sessions that gave it ended."""

    reason: str | None = Field(description="null: none was given.")
    sessions: int = Field(description="All, those under way among them.")
    cancelled: int
    saved: int
    abandoned: int = Field(description="Left without a word; never counted as saved.")

    @classmethod
    def of(cls, row: ReasonCount) -> "ReasonCountOut":
        """A count as it is shown."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class AnswerCountsOut(BaseModel):
    """What else was answered, by what and how often."""

    answers: int = Field(description="Steps that were answered.")
    competitors: dict[str, int] = Field(description="However it was written; at most a hundred.")
    ratings: dict[str, int] = Field(description="Satisfaction, from 0 to 10.")
    likely: dict[str, int] = Field(description="To come back, from 0 to 10.")
    flags: dict[str, int] = Field(description="Red flags in the customers' own words.")

    @classmethod
    def of(cls, counts: AnswerCounts) -> "AnswerCountsOut":
        """Counts as they are shown."""
        return cls(
            answers=counts.answers,
            competitors=dict(counts.competitors),
            ratings={str(number): count for number, count in counts.ratings.items()},
            likely={str(number): count for number, count in counts.likely.items()},
            flags=dict(counts.flags),
        )


class ReasonCounts(BaseModel):
    """The reasons, the most frequent first, and what else was answered."""

    reasons: list[ReasonCountOut]
    answers: AnswerCountsOut
