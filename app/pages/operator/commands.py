"""What a person may do with a case: a row each, which is a button on its page.

Each row is the command of the API of the same name, with the same scope, audit and refusals.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from app.domain.dunning import Case, CaseState, IllegalMove
from app.ports.world import World
from app.services import policies, policy_moves
from app.services.api_keys import Caller

Form = Mapping[str, str]
LABEL = r"[a-z][a-z0-9_\-]{0,39}@[1-9][0-9]{0,6}"


class CommandRefused(ValueError):
    """The command was understood and not carried out; says why, and nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A question of a command: a text, a day (`kind` date) or one of `choices`."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    pattern: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    needed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A row. `says` tells what will happen before it is pressed, `done` what did; `run` raises
    `CommandRefused`. Pressed twice it does nothing more: `once` in the form is the same for every
    press of one page. `grave`: it cannot be taken back."""

    name: str
    label: str
    says: str
    done: str
    offered: Callable[[Case], bool]
    run: Callable[[World, Caller, str, Form], Awaitable[None]]
    fields: tuple[Field, ...] = ()
    grave: bool = False


async def _move(world: World, caller: Caller, case_id: str, form: Form) -> None:
    label, actor = form.get("policy", "").strip(), caller.key_id
    try:
        await policy_moves.move(world, caller.merchant_id, case_id, label, actor=actor)
    except policies.UnknownPolicy as unknown:
        raise CommandRefused(f"there is no policy version {label!r}") from unknown
    except (policies.PolicyRefused, policy_moves.UnknownCase, IllegalMove) as refused:
        raise CommandRefused(str(refused)) from refused


COMMANDS: tuple[Command, ...] = (
    Command(
        name="policy",
        label="Move to another policy",
        says="The window is measured anew, the next attempt decided anew, and the letters follow "
        "the other policy.",
        done="The case goes on under the other policy.",
        offered=lambda case: case.state is CaseState.ACTIVE,
        run=_move,
        fields=(
            Field(
                name="policy",
                label="Policy version",
                hint="Its name and number, such as default@2.",
                pattern=LABEL,
            ),
        ),
    ),
)
