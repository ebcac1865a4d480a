"""Payments, credit notes, refunds and disputes, told in any order and twice: one ledger."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.absorb import absorb
from app.domain.actions import Action, ActionKind
from app.domain.dunning import Attempt, AttemptState, Case, CaseState
from app.domain.mirror import CreditNote, Dispute, Invoice, InvoiceStatus, Payment
from app.domain.mirroring import forward
from app.domain.notices import Notice, NoticeKind
from app.domain.records import Book
from app.domain.recovery import EntryKind, Failure, RecoveryEntry
from app.domain.settlement import take_reading
from tests.domain.builders import a_book, a_payment, an_invoice, notice, on_day, terms

K = NoticeKind
Report = Callable[[Book], None]
AFTERWARDS = on_day(60)
OWED = 3000


@dataclass
class Story:
    """What happened at the provider, step by step, and the reports of it."""

    day: int = 0
    due: int = OWED
    payments: list[Payment] = field(default_factory=list)
    notes: list[CreditNote] = field(default_factory=list)
    disputes: dict[str, Notice] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reports.append(told(notice(K.INVOICE_FAILED, on_day(0))))

    @property
    def paid(self) -> int:
        return sum(payment.amount_minor for payment in self.payments)

    @property
    def credited(self) -> int:
        return sum(note.amount_minor for note in self.notes if not note.voided)

    def pays(self, share: float) -> None:
        """A part of what is owed, or all of it."""
        amount = max(1, round(self.due * share))
        at, nth = on_day(self.day), len(self.payments)
        names = {"payment_id": f"pi_{nth}", "charge_id": f"ch_{nth}"}
        self.payments.append(a_payment(at, amount_minor=amount, **names))
        joined = notice(K.PAYMENT_SUCCEEDED, at, snapshot=self.payments[-1], invoice="in_1")
        self.reports.append(told(joined))
        self._owes(-amount)

    def is_credited(self, share: float) -> None:
        amount = max(1, round(self.due * share))
        named = f"cn_{len(self.notes)}"
        note = CreditNote(id=named, invoice_id="in_1", amount_minor=amount)
        self.notes.append(replace(note, created_at=on_day(self.day)))
        self._told_of_note(len(self.notes) - 1)
        self._owes(-amount)

    def voids(self, share: float) -> None:
        standing = [n for n, note in enumerate(self.notes) if not note.voided]
        if standing:
            nth = standing[int(share * len(standing)) % len(standing)]
            self.notes[nth] = replace(self.notes[nth], voided=True, voided_at=on_day(self.day))
            self._told_of_note(nth)
            self._owes(self.notes[nth].amount_minor)

    def gives_back(self, share: float) -> None:
        """A further part of a payment; a charge tells all that went back of it."""
        if self.payments:
            nth = int(share * len(self.payments)) % len(self.payments)
            payment = self.payments[nth]
            total = min(payment.amount_minor, payment.refunded_minor + 1 + round(share * 500))
            self.payments[nth] = replace(payment, refunded_minor=total, seen_at=on_day(self.day))
            snapshot = self.payments[nth]
            back = notice(K.PAYMENT_REFUNDED, on_day(self.day), snapshot=snapshot, invoice="in_1")
            self.reports.append(told(back))

    def disputes_a_payment(self, share: float) -> None:
        """Lost; and every other one is won after all."""
        if self.payments:
            payment = self.payments[int(share * len(self.payments)) % len(self.payments)]
            name = f"dp_{payment.charge_id}"
            if name in self.disputes:
                return
            ends = [K.DISPUTE_LOST, K.DISPUTE_WON] if share > 0.5 else [K.DISPUTE_LOST]
            for hours, kind in enumerate(ends):
                at = on_day(self.day, hours=hours)
                self.disputes[name] = closed(name, payment, kind, at)
                self.reports.append(told(self.disputes[name]))

    def _told_of_note(self, nth: int) -> None:
        self.reports.append(told(self.of_note(nth)))

    def of_note(self, nth: int) -> Notice:
        """What the provider tells of a credit note now."""
        note, about = self.notes[nth], {"invoice": "in_1", "customer": "cus_1"}
        return notice(K.CREDIT_NOTED, on_day(self.day), snapshot=note, object=note.id, **about)

    def _owes(self, minor: int) -> None:
        self.due += minor
        kind = K.INVOICE_UPDATED if self.due else K.INVOICE_PAID
        self.reports.append(told(notice(kind, on_day(self.day), snapshot=self.invoice())))
        self.reports.append(self.look())

    def invoice(self) -> Invoice:
        """As it is now."""
        at = on_day(self.day)
        return an_invoice(
            status=InvoiceStatus.OPEN if self.due else InvoiceStatus.PAID,
            due_minor=OWED - self.credited,
            paid_minor=self.paid,
            remaining_minor=self.due,
            credited_minor=self.credited,
            paid_at=None if self.due else at,
            seen_at=at,
        )

    def look(self) -> Report:
        """A live reading as of now, whenever it is absorbed."""
        shown = replace(self.invoice(), merchant_id="mer_1", account_id="acc_1")
        payments = tuple(self.payments)
        notes = tuple(self.notes) if self.credited else ()

        def absorbed(book: Book) -> None:
            at = terms(AFTERWARDS)
            case = next(book.all(Case), None)
            if case is None:
                return
            for payment in payments:
                forward(book, payment, at)
            known = forward(book, shown, at)
            whole = known.status is shown.status
            take_reading(book, case, known, payments, at, notes=notes, whole=whole)

        return absorbed


def told(one: Notice) -> Report:
    return lambda book: absorb(book, one, terms(AFTERWARDS))


def closed(name: str, payment: Payment, kind: NoticeKind, at) -> Notice:
    charge, amount = payment.charge_id, payment.amount_minor
    dispute = Dispute(dispute_id=name, charge_id=charge, amount_minor=amount)
    return notice(kind, at, snapshot=dispute, object=name, charge=charge)


def follow_up(book: Book, story: Story) -> None:
    """What the actions that were planned would do, until nothing new is planned."""
    done: set[str] = set()
    while todo := [a for a in book.all(Action) if a.key not in done]:
        for action in sorted(todo, key=lambda a: (a.due_at, a.key)):
            done.add(action.key)
            if action.kind in {ActionKind.WATCH, ActionKind.ASSESS}:
                story.look()(book)
            elif action.kind is ActionKind.READ and action.subject in story.disputes:
                told(story.disputes[action.subject])(book)
            elif action.kind is ActionKind.READ and action.subject.startswith("cn_"):
                told(story.of_note(int(action.subject.removeprefix("cn_"))))(book)


STEPS = (
    Story.pays,
    Story.is_credited,
    Story.voids,
    Story.gives_back,
    Story.disputes_a_payment,
)
NEEDS_DEBT = frozenset({Story.pays, Story.is_credited, Story.voids})
shares = st.floats(min_value=0.01, max_value=1.0)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    story = Story()
    for step, share in draw(st.lists(st.tuples(st.sampled_from(STEPS), shares), max_size=7)):
        story.day += 1
        if story.due or step not in NEEDS_DEBT:
            step(story, share)
    story.day += 1
    return story


@settings(max_examples=150, deadline=None)
@given(story=stories(), data=st.data())
def test_any_order_and_doubling_of_reports_gives_one_ledger(
    story: Story, data: st.DataObject
) -> None:
    # given all reports of a story, each once or twice, in any order
    twice = [*story.reports, *data.draw(st.lists(st.sampled_from(story.reports), max_size=6))]
    book = a_book()

    # when they are absorbed, and what they planned is done
    for report in data.draw(st.permutations(twice)):
        report(book)
    follow_up(book, story)

    # then the ledger says what happened, to the cent, and what failed is accounted for
    (case,), (failure,) = book.all(Case), book.all(Failure)
    sums = Counter[EntryKind]()
    for line in book.all(RecoveryEntry):
        sums[line.kind] += line.amount_minor
    credited = sums[EntryKind.CREDITED] + sums[EntryKind.CREDIT_VOIDED]
    lost = [one for one in story.disputes.values() if one.kind is K.DISPUTE_LOST]
    gone = sum(one.snapshot.amount_minor for one in lost if isinstance(one.snapshot, Dispute))
    assert sums[EntryKind.RECOVERED] == story.paid == case.recovered_minor
    assert sums[EntryKind.SETTLED_OTHER] == 0
    assert credited == story.credited
    assert -sums[EntryKind.REFUNDED] == sum(p.refunded_minor for p in story.payments)
    assert -(sums[EntryKind.DISPUTE_LOST] + sums[EntryKind.DISPUTE_WON]) == gone
    assert failure.amount_minor == sums[EntryKind.RECOVERED] + credited + story.due
    assert case.due_minor == story.due
    if not story.due:
        ends = CaseState.RECOVERED if story.paid else CaseState.STOPPED
        assert (case.state, case.reason) == (ends, "paid" if story.paid else "credited")


def test_a_refund_heard_of_first_is_of_the_charge_that_went_through() -> None:
    # given a payment that a look of ours saw refused, by a clock that is ahead of the provider's
    book, owed, look = a_book(), an_invoice(merchant_id="mer_1", account_id="acc_1"), on_day(7)
    told(notice(K.INVOICE_FAILED, on_day(0)))(book)
    (case,) = book.all(Case)
    refused = a_payment(on_day(0), "failed", charge_id="ch_refused", seen_at=look)
    take_reading(book, case, owed, [forward(book, refused, terms(look))], terms(look))

    # when it went through with another card since, and that a part of it was given back is the
    # first we hear, as of before the look (seed 530067)
    at = on_day(7, hours=-0.01)
    paid = a_payment(at, charge_id="ch_paid", refunded_minor=500)
    told(notice(K.PAYMENT_REFUNDED, at, snapshot=paid, invoice="in_1"))(book)

    assert {a.provider_ref: a.state for a in book.all(Attempt)} == {
        "ch_refused": AttemptState.DECLINED,
        "ch_paid": AttemptState.APPROVED,
    }
    assert sorted((line.provider_ref, line.amount_minor) for line in book.all(RecoveryEntry)) == [
        ("ch_paid", OWED),
        ("ch_paid:500", -500),
    ]
