"""What a person may order about a case: `POST /v1/cases/{id}/retry` and the like."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Header, Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.api.auth import CasesWriter
from app.api.case_schemas import CaseOut
from app.api.dependencies import WorldDep
from app.api.problems import OF_EVERY_BODY, Problem, problems
from app.domain.case_commands import NO_DAY, CommandRefused, Refusal
from app.domain.holds import HoldReason
from app.domain.ids import SHAPE
from app.services import case_commands
from app.services.api_keys import Caller
from app.services.case_commands import Carried, KeyReused, Order
from app.services.cases import UnknownCase

router = APIRouter(prefix="/v1/cases/{case_id}", tags=["cases"])
CaseId = Annotated[str, Path(description="`case_…`", examples=["case_0198"])]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,255}$",
        max_length=255,
        description="A name of your own for this command. Sent again with the same key it is the "
        "same command and has no second effect.",
    ),
]
# Printable text of any language: no control characters, which logs and pages would stumble over.
Text = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
]
ANY = problems("not-found", "idempotency-key-reused", *Refusal) | OF_EVERY_BODY


class HoldIn(BaseModel):
    """Why a case waits, and until when."""

    model_config = ConfigDict(extra="forbid")
    reason: HoldReason
    until: date | None = Field(
        default=None,
        lt=NO_DAY,
        description="The last day of the hold, where the customer is; the case goes on at eight on "
        "the next morning. Left out: until it is released.",
    )
    note: Text | None = None


class ReleaseIn(BaseModel):
    """Which holds end."""

    model_config = ConfigDict(extra="forbid")
    reason: HoldReason | None = Field(
        default=None, description="Left out: all but those of disputes, which end by themselves."
    )


class StopIn(BaseModel):
    """Why it is collected no more."""

    model_config = ConfigDict(extra="forbid")
    reason: Text


class ForgiveIn(BaseModel):
    """Why the debt is forgiven."""

    model_config = ConfigDict(extra="forbid")
    reason: Text | None = None


class CommandOut(BaseModel):
    """What became of a command."""

    case: CaseOut = Field(description="The case as it is now.")
    attempt_under_way: bool = Field(
        description="Whether a charge that began before may still bring money."
    )
    repeated: bool = Field(description="It was carried out before, under the same key.")

    @classmethod
    def of(cls, done: Carried) -> "CommandOut":
        """A command that was carried out, as it is shown."""
        case = CaseOut.of(done.case)
        return cls(case=case, attempt_under_way=done.is_under_way, repeated=done.again)


@contextmanager
def answered() -> Iterator[None]:
    """Let what the case does not allow end as a problem document of that name."""
    try:
        yield
    except CommandRefused as refused:
        text = f"{refused}."
        raise Problem(refused.why, text[:1].upper() + text[1:]) from refused
    except UnknownCase as unknown:
        raise Problem("not-found", "There is no such case.") from unknown
    except KeyReused as reused:
        text = "This key was sent with another command, or about another case."
        raise Problem("idempotency-key-reused", text) from reused


def _order(caller: Caller, case_id: str, key: str) -> Order:
    if not SHAPE.fullmatch(case_id):
        raise Problem("not-found", "There is no such case.")
    return Order(merchant_id=caller.merchant_id, case_id=case_id, key=key, actor=caller.key_id)


@router.post("/retry", responses=ANY)
async def retry_case(caller: CasesWriter, world: WorldDep, case_id: CaseId, key: Key) -> CommandOut:
    """Charge the invoice once, now: outside the policy's budget, inside the rules of the card's
    network, after a look at the live invoice. One at a time."""
    with answered():
        done = await case_commands.retry(world, _order(caller, case_id, key))
    return CommandOut.of(done)


@router.post("/hold", responses=ANY)
async def hold_case(
    caller: CasesWriter, world: WorldDep, case_id: CaseId, key: Key, told: HoldIn
) -> CommandOut:
    """Let the case wait: nothing is charged, nobody is urged, nothing ends; payment links work.
    Its end moves by the time it was held. Several holds stand beside each other; the case goes on
    with the last. A hold of the same reason is replaced."""
    with answered():
        done = await case_commands.hold(
            world,
            _order(caller, case_id, key),
            reason=told.reason,
            until=told.until,
            text=told.note,
        )
    return CommandOut.of(done)


@router.post("/release", responses=ANY)
async def release_case(
    caller: CasesWriter, world: WorldDep, case_id: CaseId, key: Key, told: ReleaseIn
) -> CommandOut:
    """Let a case that is held or parked go on. Nothing ends within 72 hours of it."""
    with answered():
        order = _order(caller, case_id, key)
        done = await case_commands.release(world, order, reason=told.reason)
    return CommandOut.of(done)


@router.post("/stop", responses=ANY)
async def stop_case(
    caller: CasesWriter, world: WorldDep, case_id: CaseId, key: Key, told: StopIn
) -> CommandOut:
    """Collect no more, by us or by the provider. The invoice stays open, and what the customer
    pays by themselves still recovers the case."""
    with answered():
        done = await case_commands.stop(world, _order(caller, case_id, key), text=told.reason)
    return CommandOut.of(done)


@router.post("/forgive", responses=ANY)
async def forgive_case(
    caller: CasesWriter, world: WorldDep, case_id: CaseId, key: Key, told: ForgiveIn
) -> CommandOut:
    """Collect no more and close the invoice at the provider, void or uncollectible as the policy
    ends one. Refused while a charge may still bring money: stop the case, and forgive it later."""
    with answered():
        done = await case_commands.forgive(world, _order(caller, case_id, key), text=told.reason)
    return CommandOut.of(done)
