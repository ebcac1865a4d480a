"""What stories look at, and what must hold whenever one stops."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from app.domain.actions import CASE_ACTIONS, Action, ActionState
from app.domain.dunning import Attempt, AttemptState, Case, CaseEvent, CaseKind, CaseState, Trigger
from app.domain.invariants import Breach
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.messages import Message, MessageState
from app.domain.mirror import Invoice, Payment
from app.domain.mrr import MrrMovement
from app.domain.operations import Alert, InboxEvent, InboxState
from app.domain.records import R
from app.domain.recovery import Failure, RecoveryEntry
from app.domain.takings import Taking
from app.mail.mailbox import FolderMailbox
from app.ports.mailbox import KeptMail
from app.ports.world import World
from app.services.invariants import findings
from tests.sandbox.stand import Served

SPACING = timedelta(hours=20)
# Of a payment: its id, its subscription, and whether it was paid or refunded.
Place = tuple[str, str | None, str]
# Some stories turn the clock and let nobody work, or hear nothing: that is told, and rightly.
WHILE_NOBODY_WORKS = frozenset({"action_late", "window_outlived", "webhooks_silent"})


@dataclass(frozen=True)
class Person:
    """A subscriber as the provider knows them."""

    customer: str
    subscription: str
    method: str


@dataclass
class Looks:
    """A merchant of a deployment, the provider's world, and what can be seen of both."""

    world: World
    sandbox: Served
    merchant: Merchant
    account: ProviderAccount
    mailbox: FolderMailbox
    now: datetime

    async def find(self, kind: type[R], **where: Any) -> list[R]:
        async with self.world.store.transaction(self.merchant.merchant_id) as tx:
            own = {"merchant_id": self.merchant.merchant_id}
            return await tx.find(kind, where=own | where)

    async def cases(self, person: Person) -> list[Case]:
        """The person's cases, oldest first."""
        found = await self.find(Case, customer_id=person.customer)
        return sorted(found, key=lambda case: (case.opened_at, case.case_id))

    async def case(self, person: Person) -> Case:
        """The person's one case."""
        (case,) = await self.cases(person)
        return case

    async def attempts(self, case: Case) -> list[Attempt]:
        found = await self.find(Attempt, case_id=case.case_id)
        return sorted(found, key=lambda attempt: attempt.number)

    async def states(self, case: Case, trigger: Trigger = Trigger.HOLDFAST) -> list[AttemptState]:
        """How the attempts of one trigger stand, in their order."""
        return [a.state for a in await self.attempts(case) if a.trigger is trigger]

    async def ledger(self, case: Case) -> list[tuple[str, int, str]]:
        found = await self.find(RecoveryEntry, case_id=case.case_id)
        lines = sorted(found, key=lambda entry: (entry.occurred_at, entry.provider_ref))
        return [(entry.kind, entry.amount_minor, entry.cause) for entry in lines]

    async def message(self, case: Case, step: str) -> Message:
        (message,) = await self.find(Message, case_id=case.case_id, step=step)
        return message

    async def letters(self, case: Case) -> list[str]:
        """The steps of the letters that went out, in order."""
        found = await self.find(Message, case_id=case.case_id, state=MessageState.SENT)
        return [m.step for m in sorted(found, key=lambda m: (m.sent_at or self.now, m.step))]

    async def mails(self) -> list[KeptMail]:
        """What lies in the mailbox, oldest first."""
        kept = [await self.mailbox.read(name) for name in await self.mailbox.names()]
        return [mail for mail in reversed(kept) if mail is not None]

    async def token(self) -> str:
        """The token of the link in the latest mail that has one."""
        linked = [mail.text for mail in await self.mails() if "/p/" in mail.text]
        return linked[-1].partition("/p/")[2].split()[0].rstrip(".>)")

    async def timeline(self, case: Case) -> list[str]:
        found = await self.find(CaseEvent, case_id=case.case_id)
        return [event.text for event in sorted(found, key=lambda event: (event.at, event.seq))]

    async def movements(self, person: Person) -> list[tuple[str, int]]:
        found = await self.find(MrrMovement, subscription_id=person.subscription)
        lines = sorted(found, key=lambda line: line.occurred_at)
        return [(line.kind, line.delta_minor) for line in lines]

    async def alerts(self) -> list[str]:
        return sorted(alert.kind for alert in await self.find(Alert))

    async def paused(self) -> str | None:
        """Why the account is paused, if it is."""
        (account,) = await self.find(ProviderAccount)
        return account.paused_reason

    async def pending(self, case: Case) -> list[Action]:
        """What keeps an active case going."""
        found = await self.find(Action, case_id=case.case_id, state=ActionState.PENDING)
        return [action for action in found if action.kind in CASE_ACTIONS]

    # the provider's truth

    def there(self, path: str, **params: Any) -> dict[str, Any]:
        """Something as the provider has it."""
        answer: dict[str, Any] = self.sandbox.raw("GET", f"/v1/{path}", params=params).json()
        return answer

    def charges(self, case: Case) -> list[dict[str, Any]]:
        """Every charge of the case's invoice, refused ones too, newest first."""
        shown = self.there(f"invoices/{case.invoice_id}", **{"expand[]": "payments"})
        intents = {row["payment"]["payment_intent"] for row in shown["payments"]["data"]}
        found = self.there("charges", customer=shown["customer"], limit=100)["data"]
        return [charge for charge in found if charge["payment_intent"] in intents]

    def captures(self, case: Case) -> list[dict[str, Any]]:
        """The charges of the case's invoice that brought money."""
        return [charge for charge in self.charges(case) if charge["status"] == "succeeded"]

    # what must hold

    async def invariants(self) -> None:
        """The promises that can be seen at any moment, for every case of the merchant."""
        assert not await self.find(InboxEvent, state=InboxState.PARKED)
        broken = await self.broken()
        assert not broken, broken
        await self._has_what_payments_brought()
        for case in await self.find(Case):
            await self._keeps_going(case)
            await self._agrees_about_the_money(case)
            await self._writes_once(case)
            await self._spaces_its_attempts(case)
            failed = await self.find(Failure, case_id=case.case_id)
            assert bool(failed) is (case.kind is CaseKind.PAYMENT)

    async def broken(self) -> dict[str, tuple[Breach, ...]]:
        """What the invariants that run in production say of the merchant's rows; nothing of one
        that a busy database did not answer."""
        found = await findings(self.world, self.merchant.merchant_id, now=self.world.clock.now())
        names = {one.invariant.name: one.broken_by for one in found if one.is_alarming}
        return {name: rows for name, rows in names.items() if name not in WHILE_NOBODY_WORKS}

    async def _has_what_payments_brought(self) -> None:
        invoices = {row.invoice_id: row.subscription_id for row in await self.find(Invoice)}
        brought, stands = Counter[Place](), Counter[Place]()
        for line in await self.find(Taking):
            brought[line.payment_id, line.subscription_id, "paid"] += line.paid_minor
            brought[line.payment_id, line.subscription_id, "refunded"] += line.refunded_minor
        for row in await self.find(Payment, status="succeeded"):
            if row.invoice_id and row.occurred_at:
                of = invoices.get(row.invoice_id)
                stands[row.payment_id, of, "paid"] += row.amount_minor
                stands[row.payment_id, of, "refunded"] += row.given_back_minor
        assert brought == stands

    async def _keeps_going(self, case: Case) -> None:
        if case.state is CaseState.ACTIVE:
            assert await self.pending(case), "an active case has a next action"

    async def _agrees_about_the_money(self, case: Case) -> None:
        captured = self.captures(case)
        once = {charge["payment_intent"] for charge in captured}
        assert len(captured) == len(once), "a payment is captured at most once"
        if case.state is not CaseState.RECOVERED or case.kind is CaseKind.INVOICE:
            return
        lines = Counter[str]()
        for kind, amount, _ in await self.ledger(case):
            lines[kind] += amount
        kept = self.there("invoice_payments", invoice=case.invoice_id, status="paid")["data"]
        assert lines["recovered"] == sum(payment["amount_paid"] for payment in kept)
        parts = {row["payment"].get("payment_intent"): row["amount_paid"] for row in kept}
        gone = (
            charge["amount_refunded"] - charge["amount"] + parts[charge["payment_intent"]]
            if charge["amount"] > parts[charge["payment_intent"]]
            else charge["amount_refunded"]
            for charge in captured
        )
        assert lines["refunded"] + lines["refund_failed"] == -sum(max(one, 0) for one in gone)

    async def _writes_once(self, case: Case) -> None:
        sent = await self.find(Message, case_id=case.case_id, state=MessageState.SENT)
        assert len({(m.step, m.channel, m.recipient) for m in sent}) == len(sent)
        for message in sent:
            threatens = message.template in {"payment_failed", "payment_reminder", "final_notice"}
            if threatens and case.closed_at and message.sent_at:
                assert message.sent_at <= case.closed_at

    async def _spaces_its_attempts(self, case: Case) -> None:
        ours = [
            attempt.intent_at
            for attempt in await self.attempts(case)
            if attempt.trigger is Trigger.HOLDFAST
            and attempt.state is not AttemptState.NOT_EXECUTED
        ]
        assert all(b - a >= SPACING for a, b in pairwise(ours))
        assert len(ours) <= case.attempts_used <= 8
