"""What a merchant's backend says of its customers: what they have, and what they agreed to."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.auth import require
from app.api.cancel_schemas import PlainText, StepId
from app.api.dependencies import WorldDep
from app.api.parameters import Instant, ProviderId
from app.api.problems import OF_EVERY_BODY, Problem, invalid, problems
from app.domain.languages import LANGUAGES
from app.domain.merchants import Scope
from app.domain.usage import LONGEST_LABEL, LONGEST_VALUE, MOST_FACTS
from app.services import consents, usage
from app.services.api_keys import Caller
from app.services.usage import Pushed

router = APIRouter(tags=["cancelling"])
Writer = Annotated[Caller, Depends(require(Scope.SESSIONS_WRITE))]
Account = Annotated[
    ProviderId | None,
    Query(description="`acc_…`; needed only where several of your accounts know the id."),
]
PLAIN = r"^[^\u0000-\u001f\u007f]+$"
Label = Annotated[str, Field(min_length=1, max_length=LONGEST_LABEL, pattern=PLAIN)]
REFUSED = problems("not-found", "conflict") | OF_EVERY_BODY


class FactIn(BaseModel):
    """One fact, such as 12 projects."""

    model_config = ConfigDict(extra="forbid")
    name: StepId
    labels: dict[str, Label] = Field(min_length=1, description="By language: `{en: Projects}`.")
    value: Annotated[str, Field(min_length=1, max_length=LONGEST_VALUE, pattern=PLAIN)]

    @model_validator(mode="after")
    def _in_our_languages(self) -> "FactIn":
        if not set(self.labels) <= set(LANGUAGES):
            raise ValueError(f"labels are in {', '.join(LANGUAGES)}")
        return self


class FactsIn(BaseModel):
    """Everything a customer is to be reminded of, in the order in which it is shown."""

    model_config = ConfigDict(extra="forbid")
    facts: Annotated[list[FactIn], Field(max_length=MOST_FACTS)]

    @model_validator(mode="after")
    def _each_once(self) -> "FactsIn":
        names = [fact.name for fact in self.facts]
        if len(set(names)) < len(names):
            raise ValueError("a fact is there twice")
        return self


class FactsOut(BaseModel):
    """The facts that are kept now."""

    customer: str
    facts: list[dict[str, Any]]


class ConsentIn(BaseModel):
    """That the customer wanted the service to begin at once, and knew what follows from it."""

    model_config = ConfigDict(extra="forbid")
    wording: PlainText = Field(min_length=1, description="What they agreed to, as they read it.")
    given_at: Instant


class ConsentOut(BaseModel):
    """A consent as it is kept. It never changes."""

    id: str
    subscription: str
    wording: str
    given_at: Instant
    recorded_at: Instant


@router.put("/v1/customers/{customer}/usage-facts", responses=REFUSED)
async def put_usage_facts(
    caller: Writer,
    world: WorldDep,
    customer: Annotated[ProviderId, Path(description="The customer's id at the provider.")],
    told: FactsIn,
    account: Account = None,
) -> FactsOut:
    """Keep what a customer has, in the place of all that was pushed before. Steps of the kind
    `value_reminder` show it; without a fact, and without words of yours, they are left out."""
    pushed = [Pushed(name=f.name, labels=f.labels, value=f.value) for f in told.facts]
    try:
        kept = await usage.push(world, caller.merchant_id, customer, pushed, account_id=account)
    except usage.UnknownCustomer as unknown:
        raise Problem("not-found", "There is no such customer.") from unknown
    except usage.SeveralCustomers as several:
        raise Problem("conflict", "Several of your accounts know it; name one.") from several
    facts = [{"name": row.name, "labels": row.labels, "value": row.value} for row in kept]
    return FactsOut(customer=customer, facts=facts)


@router.put("/v1/subscriptions/{subscription}/consent", responses=REFUSED)
async def put_consent(
    caller: Writer,
    world: WorldDep,
    subscription: Annotated[ProviderId, Path(description="The subscription at the provider.")],
    told: ConsentIn,
    account: Account = None,
) -> ConsentOut:
    """Record that a customer wanted the service to begin before the 14 days were over. Who then
    withdraws gets back only what was not used. The first that is recorded stays."""
    try:
        row = await consents.record_consent(
            world,
            caller.merchant_id,
            subscription,
            account_id=account,
            wording=told.wording,
            given_at=told.given_at,
            actor=caller.key_id,
        )
    except consents.NotGivenYet as ahead:
        raise invalid("body.given_at", "must not lie in the future") from ahead
    except consents.UnknownContract as unknown:
        raise Problem("not-found", "There is no such subscription.") from unknown
    except consents.SeveralContracts as several:
        raise Problem("conflict", "Several of your accounts know it; name one.") from several
    return ConsentOut(
        id=row.consent_id,
        subscription=row.subscription_id,
        wording=row.wording,
        given_at=row.given_at,
        recorded_at=row.recorded_at,
    )
