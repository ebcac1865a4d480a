"""Somebody who is known by all that can tell who they are, and what still tells it."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from app.domain.correspondence import ReportKind
from app.domain.declarations import DeclarationKind, Given
from app.domain.messages import Message
from app.domain.mirror import Customer
from app.ports.mail_reports import MailReport
from app.services import declaring, erasing, suppressions, usage
from app.services.usage import Pushed
from app.storage.registry import TABLES
from tests.stories.cards import EXPIRED
from tests.stories.leaving import Door
from tests.stories.looks import Person
from tests.stories.stage import Stage

# Each stands in one thing alone that tells who somebody is, or what they said.
CANARIES = (
    "aurelia", "quillfeather", "+49151777888", "heron-lane", "canary-segment", "i-move-to-uqbar",
    "the-other-shop", "canary-usage", "canary-reference",
)  # fmt: skip
ADDRESS = "Aurelia@Quillfeather.example"
NAMED: dict[str, Any] = {
    "name": "Aurelia Quillfeather",
    "address": ADDRESS,
    "phone": "+49151777888",
    "metadata[lives]": "heron-lane",
    "metadata[team]": "canary-segment",
    "address[country]": "DE",
    "locale": "de",
}


async def told(stage: Stage) -> dict[str, str]:
    """All rows of the merchant, as text, by table."""
    found = {}
    for kind, table in TABLES.items():
        rows = [asdict(row) for row in await stage.find(kind)]
        found[table.name] = json.dumps(rows, default=str, ensure_ascii=False).casefold()
    return found


async def tellers(stage: Stage) -> dict[str, list[str]]:
    """The tables that tell who somebody is, and by what."""
    found = {name: [c for c in CANARIES if c in text] for name, text in (await told(stage)).items()}
    return {name: canaries for name, canaries in found.items() if canaries}


async def erased(stage: Stage, person: Person) -> erasing.Erasure:
    done = await erasing.erase(
        stage.world, stage.merchant.merchant_id, person.customer, actor="test"
    )
    await stage.plays()
    return done


async def customer(stage: Stage, person: Person) -> Customer:
    (row,) = await stage.find(Customer, customer_id=person.customer)
    return row


async def reported(stage: Stage, letter: Message, ref: str, recipient: str = ADDRESS) -> None:
    report = MailReport(
        ref=ref,
        kind=ReportKind.BOUNCED,
        recipient=recipient,
        message_id=letter.message_id,
        detail=f"550 no {recipient} here",
        at=stage.now,
    )
    await suppressions.take_reports(stage.world, stage.merchant.merchant_id, "post", [report])


async def known_by_all(door: Door) -> Person:
    """Somebody who is named wherever somebody can be: written to, bounced, with a session, words,
    facts and a declaration."""
    stage = door.stage
    merchant = stage.merchant.merchant_id
    person = await stage.subscriber(EXPIRED, **NAMED)
    case = await stage.fails(person)
    await stage.passes(days=1)
    letter = next(m for m in await stage.find(Message, case_id=case.case_id) if m.sent_at)
    fact = Pushed(name="projects", labels={"en": "canary-usage"}, value="canary-usage")
    await usage.push(stage.world, merchant, person.customer, [fact])
    leaver = await door.opens(person, attributes={"team": "canary-segment"})
    await leaver.does(
        "answer", step="why", reason="other", words="i-move-to-uqbar", competitor="the-other-shop"
    )
    given = Given(
        kind=DeclarationKind.ORDINARY,
        name=NAMED["name"],
        email=ADDRESS.lower(),
        reference="canary-reference",
    )
    await declaring.declare(stage.world, merchant, given, once="sheet")
    await reported(stage, letter, "report-1")
    await stage.plays()
    return person


@dataclass
class ErasedMeanwhile:
    """`Payments` under whose charge its customer is erased."""

    stage: Stage
    customer: str

    def __post_init__(self) -> None:
        self.real = self.stage.world.payments

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def pay(self, *about: Any, **told: Any) -> Any:
        world, merchant = self.stage.world, self.stage.merchant.merchant_id
        await erasing.erase(world, merchant, self.customer, actor="test")
        return await self.real.pay(*about, **told)
