"""One failed renewal, the real services, a store in memory, and a bank that does as it is told."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.declines import Decline, DeclineKind
from app.domain.dunning import Attempt, Case
from app.domain.merchants import ProviderAccount
from app.domain.messages import Mail, Message, Rendered
from app.domain.mirror import Customer, Invoice, InvoiceStatus, Payment, PaymentMethod
from app.domain.notices import Notice, NoticeKind
from app.domain.outcomes import Outcome, PayAnswer
from app.domain.policies import MessageRow, Policy
from app.domain.records import R
from app.domain.recovery import RecoveryEntry
from app.domain.terms import Terms, decline_json
from app.ports.payments import InvoiceReading, LastLook
from app.ports.world import World
from app.services import actions
from app.services.intake import absorb_notices
from app.storage.memory import MemoryStore
from tests.domain.builders import (
    ACCOUNT,
    MERCHANT,
    MONDAY,
    a_payment,
    a_subscription,
    an_invoice,
    notice,
    paid,
)

OWN: dict[str, Any] = {"merchant_id": "mer_1", "account_id": "acc_1"}
CARD = PaymentMethod(
    **OWN, method_id="pm_1", customer_id="cus_1", type="card", brand="visa", fingerprint="fp_1"
)
NEW_CARD = replace(CARD, method_id="pm_2", fingerprint="fp_2")
SOFT = Decline(kind=DeclineKind.RETRY_FEW_AND_ASK, code="do_not_honor")
POLICY = Policy(
    messages=(
        MessageRow(step="failed", template="payment_failed", day=0),
        MessageRow(step="final", template="final_notice", before_end=3),
        MessageRow(step="recovered", template="payment_recovered", on="recovered"),
        MessageRow(step="ended", template="subscription_ended", on="ended"),
    )
)
Hook = Callable[[], Awaitable[None]]


@dataclass
class Clock:
    instant: datetime = MONDAY

    def now(self) -> datetime:
        return self.instant


@dataclass
class Bank:
    """`ports.payments.Payments` as far as dunning asks. `on_read` and the like run before the
    answer is returned: what else happens in the meantime."""

    clock: Clock
    invoice: Invoice
    payments: list[Payment] = field(default_factory=list)
    method: PaymentMethod | None = CARD
    subscription_status: str = "past_due"
    answers: list[PayAnswer] = field(default_factory=list)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    fault: Exception | None = None
    shows: list[Notice] = field(default_factory=list)
    on_read: Hook | None = None
    on_pay: Hook | None = None
    on_advance: Hook | None = None
    on_turn: Hook | None = None

    async def read_invoice(
        self, account: ProviderAccount, invoice: str, *, every_attempt: bool = False
    ) -> InvoiceReading:
        if self.fault is not None:
            raise self.fault
        seen = InvoiceReading(
            invoice=replace(self.invoice, **OWN, seen_at=self.clock.now()),
            payments=tuple(self.payments),
            method=self.method,
            subscription_status=self.subscription_status,
            every_attempt=every_attempt,
        )
        await self._meanwhile("on_read")
        return seen

    async def pay(
        self,
        account: ProviderAccount,
        invoice: str,
        *,
        key: str,
        method: str | None = None,
        last_look: LastLook | None = None,
    ) -> PayAnswer:
        if self.on_turn is not None:
            await self._meanwhile("on_turn")
            if last_look is not None and not await last_look():
                return PayAnswer(outcome=Outcome.NOT_EXECUTED, reason="not sent")
        self.calls.append(("pay", key.rpartition(":")[2], method or ""))
        await self._meanwhile("on_pay")
        number = len(self.calls)
        return self.answers.pop(0) if self.answers else declined(f"ch_{number}")

    async def stop_provider_retries(self, account: ProviderAccount, invoice: str) -> Invoice:
        return await self._advance(on=False)

    async def resume_provider_retries(self, account: ProviderAccount, invoice: str) -> Invoice:
        return await self._advance(on=True)

    async def _advance(self, *, on: bool) -> Invoice:
        self.invoice = replace(self.invoice, auto_advance=on, next_attempt_at=None)
        seen = replace(self.invoice, **OWN, seen_at=self.clock.now())
        await self._meanwhile("on_advance")
        return seen

    async def read_object(self, account: ProviderAccount, **told: Any) -> list[Notice]:
        return self.shows

    async def set_default_method(self, account: ProviderAccount, **told: Any) -> None:
        self.method = NEW_CARD

    async def end_subscription(
        self, account: ProviderAccount, subscription: str, *, how: str, key: str
    ) -> None:
        self.calls.append(("end", how, key.partition(":")[2]))

    async def close_invoice(
        self, account: ProviderAccount, invoice: str, *, how: str, key: str
    ) -> Invoice:
        self.calls.append(("close", how, key.partition(":")[2]))
        return replace(self.invoice, **OWN)

    async def _meanwhile(self, name: str) -> None:
        hook = getattr(self, name)
        setattr(self, name, None)
        if hook is not None:
            await hook()


@dataclass
class Post:
    """A mailer and renderer that keep the letters."""

    letters: list[Any] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    unreadable: Exception | None = None

    def render(self, letter: Any) -> Rendered:
        if self.unreadable is not None:
            raise self.unreadable
        self.letters.append(letter)
        return Rendered(subject="s", text="t", html="h")

    async def send(self, mail: Mail) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.mails.append(mail)

    def link(self, *parts: str) -> str:
        return "token-" + "-".join(parts)

    def known(self, *parts: str) -> tuple[str, ...]:
        return (self.link(*parts),)


@dataclass
class Stage:
    world: World
    store: MemoryStore
    bank: Bank
    post: Post
    clock: Clock

    async def hears(self, *notices: Notice) -> None:
        async with self.store.transaction("mer_1") as tx:
            (account,) = await tx.load(ProviderAccount, [("acc_1",)])
            terms = Terms(
                merchant=MERCHANT, account=account, policy=self.world.policy, now=self.clock.now()
            )
            await absorb_notices(tx, terms, list(notices))

    async def passes(self, **span: float) -> None:
        """Let time pass; what is due on the way happens at its instant."""
        end = self.clock.now() + timedelta(**span)
        await self.works()
        while (at := await self._next()) is not None and at <= end:
            self.clock.instant = max(at, self.clock.now())
            await self.works()
        self.clock.instant = end

    async def works(self) -> None:
        """Carry out all that is due now."""
        while claimed := await actions.claim(self.world, limit=100):
            for action in claimed:
                await actions.carry_out(self.world, action)

    async def _next(self) -> datetime | None:
        due = await self.find(Action, state=ActionState.PENDING)
        return min((action.due_at for action in due), default=None)

    async def find(self, record: type[R], **where: Any) -> list[R]:
        async with self.store.transaction("mer_1") as tx:
            return await tx.find(record, where=where)

    async def case(self) -> Case:
        (case,) = await self.find(Case)
        return case

    async def changes(self, **what: Any) -> None:
        """Put the case into another shape by hand."""
        changed = replace(await self.case(), **what)
        async with self.store.transaction("mer_1") as tx:
            await tx.save([changed])

    async def attempts(self) -> list[Attempt]:
        return sorted(await self.find(Attempt), key=lambda attempt: attempt.number)

    async def pending(self, kind: ActionKind) -> list[Action]:
        return await self.find(Action, kind=kind, state=ActionState.PENDING)

    async def ledger(self) -> list[tuple[str, int, str]]:
        lines = await self.find(RecoveryEntry)
        return sorted((line.kind.value, line.amount_minor, line.cause.value) for line in lines)

    async def letters(self) -> dict[str, str]:
        return {message.step: message.state.value for message in await self.find(Message)}

    def is_paid(self, charge: str = "ch_paid", **payment: Any) -> None:
        """From now on the provider shows the invoice as paid by this charge."""
        at = self.clock.now()
        self.bank.invoice = paid(at)
        self.bank.payments.append(a_payment(at, charge_id=charge, **payment))


def refused_charge(at: datetime, charge: str, decline: Decline = SOFT, **more: Any) -> Payment:
    return a_payment(at, "failed", charge_id=charge, decline=decline_json(decline), **more)


def declined(charge: str | None, **more: Any) -> PayAnswer:
    given: dict[str, Any] = {"decline": SOFT, "payment_id": "pi_1", "charge_id": charge}
    return PayAnswer(outcome=Outcome.DECLINED, **(given | more))


def approved(at: datetime, charge: str = "ch_ours") -> PayAnswer:
    invoice = replace(paid(at), **OWN)
    return PayAnswer(outcome=Outcome.APPROVED, invoice=invoice, payment_id="pi_1", charge_id=charge)


def a_failure(at: datetime = MONDAY) -> Notice:
    return notice(NoticeKind.INVOICE_FAILED, at)


def a_payment_notice(at: datetime) -> Notice:
    return notice(NoticeKind.INVOICE_PAID, at, snapshot=paid(at))


async def open_stage(policy: Policy = POLICY, decline: Decline = SOFT) -> Stage:
    """A driven case, refused once on the Monday for this reason, its next retry planned."""
    clock, post = Clock(), Post()
    store = MemoryStore(lease_clock=clock.now)
    bank = Bank(clock, an_invoice(), [refused_charge(MONDAY, "ch_first", decline)])
    unused = cast(
        "Any",
        dict.fromkeys(("webhooks", "mail_reports", "sealer", "wake", "outgoing", "invariants")),
    )
    world = World(
        store=store,
        clock=clock,
        payments=cast("Any", bank),
        mailer=post,
        renderer=cast("Any", post),
        tokens=post,
        policy=policy,
        public_url="https://pay.example.com",
        **unused,
    )
    customer = Customer(**OWN, customer_id="cus_1", email="one@example.com")
    async with store.transaction("mer_1") as tx:
        await tx.save([MERCHANT])
        await tx.save([ACCOUNT])
        await tx.save([customer])
        await tx.save([a_subscription()])
    stage = Stage(world, store, bank, post, clock)
    await stage.hears(a_failure())
    await stage.works()
    return stage


__all__ = [
    "CARD",
    "NEW_CARD",
    "OWN",
    "InvoiceStatus",
    "Stage",
    "a_failure",
    "a_payment_notice",
    "approved",
    "declined",
    "open_stage",
    "refused_charge",
]
