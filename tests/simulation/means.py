"""Ways in which a fault is planted: what is written, asked, or carried out is another thing."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.declines import Decline, DeclineKind
from app.domain.outcomes import Outcome, PayAnswer
from app.domain.recovery import RecoveryEntry
from app.services import actions
from app.storage.memory import MemoryTransaction
from tests.simulation.stage import Stage
from tests.simulation.swaps import Swap, put_entry, put_member


async def true(*_: object, **__: object) -> bool:
    return True


def no(*_: object, **__: object) -> bool:
    return False


def nothing(*_: object, **__: object) -> None:
    return None


# what is written


def changed_rows(change: Callable[[Any], Any]) -> Swap:
    """Every row on its way to the store is changed, or lost where `change` gives None."""

    def plant(stage: Stage, stack: ExitStack) -> None:
        for name in ("insert", "save"):
            real = getattr(MemoryTransaction, name)

            async def written(self: Any, rows: Sequence[Any], real: Any = real) -> Any:
                kept = [row for row in map(change, rows) if row is not None]
                done = await real(self, kept)
                return list(rows) if done is not None else None

            put_member(MemoryTransaction, name, written)(stage, stack)

    return plant


def lost(kind: ActionKind) -> Swap:
    """Every third new action of a kind is never written."""

    def change(row: Any) -> Any:
        lost = isinstance(row, Action) and row.kind is kind and row.state is ActionState.PENDING
        return None if lost and row.claims == 0 and int(row.action_id[-2:], 16) % 3 == 0 else row

    return changed_rows(change)


def lines_lost(kind: type[Any]) -> Swap:
    return changed_rows(lambda row: None if isinstance(row, kind) else row)


def entered(change: Callable[[RecoveryEntry], RecoveryEntry]) -> Swap:
    return changed_rows(lambda row: change(row) if isinstance(row, RecoveryEntry) else row)


# what is asked of the provider


def asked(name: str, make: Callable[[Any, Stage], Any]) -> Swap:
    """One call of the provider's adapter is another."""

    def plant(stage: Stage, stack: ExitStack) -> None:
        payments = stage.house.world.payments
        put_member(payments, name, make(getattr(payments, name), stage))(stage, stack)

    return plant


def never_asked(name: str, answer: Any = None) -> Swap:
    async def said(*_: object, **__: object) -> Any:
        return answer

    return asked(name, lambda real, stage: said)


def pays(change: Callable[[PayAnswer], PayAnswer]) -> Swap:
    def make(real: Any, stage: Stage) -> Any:
        async def pay(*args: Any, **told: Any) -> PayAnswer:
            return change(await real(*args, **told))

        return pay

    return asked("pay", make)


def no_answer_is(outcome: Outcome) -> Callable[[PayAnswer], PayAnswer]:
    decline = Decline(kind=DeclineKind.PROCESSOR_ERROR, code="processing_error")

    def change(answer: PayAnswer) -> PayAnswer:
        if answer.outcome is not Outcome.UNKNOWN:
            return answer
        return PayAnswer(outcome=outcome, decline=decline, payment_id="pi_x", charge_id="ch_x")

    return change


def stale(real: Any, stage: Stage) -> Any:
    """The first answer about an invoice is kept for good."""
    kept: dict[str, Any] = {}

    async def read(account: Any, invoice: str, **told: Any) -> Any:
        if invoice not in kept:
            kept[invoice] = await real(account, invoice, **told)
        return kept[invoice]

    return read


def left_on(real: Any, stage: Stage) -> Any:
    """The provider's retries are believed to be off, and nobody turned them off."""

    async def stop(account: Any, invoice: str) -> Any:
        reading = await stage.house.world.payments.read_invoice(account, invoice)
        return replace(reading.invoice, auto_advance=False, next_attempt_at=None)

    return stop


def same_state(real: Any, stage: Stage) -> Any:
    """Closing an invoice is not asked for, and taken for done."""

    async def close(account: Any, invoice: str, **told: Any) -> Any:
        return (await stage.house.world.payments.read_invoice(account, invoice)).invoice

    return close


# what carries an action out


def through(kind: ActionKind) -> Swap:
    """Actions of a kind are ticked off and nothing else."""

    async def ticked(world: Any, action: Action) -> None:
        async with world.store.transaction(action.merchant_id) as tx:
            await tx.save([replace(action, state=ActionState.DONE, leased_until=None)])

    return put_entry(actions.HANDLERS, kind, ticked)


async def swallowed(world: Any, action: Action, *_: object) -> None:
    async with world.store.transaction(action.merchant_id) as tx:
        await tx.save([replace(action, state=ActionState.DONE, leased_until=None)])
