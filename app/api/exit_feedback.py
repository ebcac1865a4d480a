"""What those who left answered to the one question: `GET /v1/exit-feedback`."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api import cursors
from app.api.auth import require
from app.api.dependencies import WorldDep
from app.api.parameters import Instant, ProviderId
from app.domain.merchants import Scope
from app.services import feedback
from app.services.api_keys import Caller
from app.services.feedback import Answered, FeedbackQuery

router = APIRouter(prefix="/v1/exit-feedback", tags=["cancelling"])
Reader = Annotated[Caller, Depends(require(Scope.SESSIONS_READ))]


class FeedbackParameters(BaseModel):
    """The filters of the list; those given must all hold."""

    model_config = ConfigDict(extra="forbid")
    customer: ProviderId | None = Field(default=None, description="The provider's id.")
    subscription: ProviderId | None = Field(default=None, description="The provider's id.")
    answered_from: Instant | None = Field(default=None, description="Answered then or later.")
    answered_to: Instant | None = Field(default=None, description="Answered before then.")
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of a page.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    @model_validator(mode="after")
    def _span(self) -> Self:
        if self.answered_from and self.answered_to and self.answered_from >= self.answered_to:
            raise ValueError("answered_from must be before answered_to")
        return self

    def query(self) -> FeedbackQuery:
        """The same for the service."""
        given = self.model_dump(include=set(FeedbackQuery.__dataclass_fields__))
        return FeedbackQuery(**given)


class FeedbackOut(BaseModel):
    """One answer, in the customer's own words: without card numbers, and kept a year."""

    cancel_request: str
    provider_account: str
    subscription: str
    customer: str | None
    session: str | None = Field(description="Where they left, if it was a session of ours.")
    reason: str | None = Field(description="The id of the reason that they gave when they left.")
    words: str | None = Field(description="Null once they were forgotten.")
    flags: list[str] = Field(description="Red-flag words in it, marked for a person.")
    answered_at: datetime
    forgotten_at: datetime | None

    @classmethod
    def of(cls, answered: Answered) -> Self:
        """An answer as it is shown."""
        row, request = answered.feedback, answered.request
        return cls(
            cancel_request=row.request_id,
            provider_account=row.account_id,
            subscription=row.subscription_id,
            customer=row.customer_id,
            session=request.session_id,
            reason=request.reason,
            words=row.words,
            flags=list(row.flags),
            answered_at=row.at,
            forgotten_at=row.forgotten_at,
        )


class FeedbackList(BaseModel):
    """A page."""

    exit_feedback: list[FeedbackOut]
    next: str | None = Field(description="The cursor of the following page; null at the end.")


@router.get("")
async def list_exit_feedback(
    caller: Reader, world: WorldDep, asked: Annotated[FeedbackParameters, Query()]
) -> FeedbackList:
    """Answers to the letter `exit_feedback`, the newest first. `next` is the cursor of the
    following page, null at the end."""
    filters = asked.model_dump_json(exclude={"cursor", "limit"})
    after = cursors.read(asked.cursor, of=filters) if asked.cursor else None
    found = await feedback.find(
        world, caller.merchant_id, asked.query(), after=after, limit=asked.limit + 1
    )
    page = found[: asked.limit]
    last = page[-1].feedback if len(found) > len(page) else None
    return FeedbackList(
        exit_feedback=[FeedbackOut.of(answered) for answered in page],
        next=cursors.write(last.at, last.request_id, of=filters) if last else None,
    )
