"""What stories of letters after leaving act on: a switch, a word, somebody who goes."""

from typing import Any

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.afterwards import AfterLetter, MailPermission
from app.domain.correspondence import Letterhead
from app.domain.messages import BY_PERMISSION, Message, MessageState
from app.services import after_settings
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door
from tests.stories.looks import Person
from tests.stories.stage import Stage

RETURN = "https://kelp.example/plans"
Place = dict[str, Any]
BERLIN: Place = {"address[country]": "DE"}


async def switched(stage: Stage, *on: AfterLetter) -> None:
    """The merchant switches letters on."""
    merchant = stage.merchant.merchant_id
    async with stage.world.store.transaction(merchant) as tx:
        await tx.save([Letterhead(merchant_id=merchant, postal_address="Kelp, 1 Shore Road")])
    await after_settings.switch(
        stage.world,
        merchant,
        on=on,
        feedback_hours=24,
        before_end_days=7,
        win_back_days={"too_expensive": 30, "": 60},
        return_url=RETURN,
        actor="test",
    )


async def agrees(stage: Stage, person: Person, *, given: bool = True) -> MailPermission:
    """What a customer says of such letters, now."""
    return await after_settings.permit(
        stage.world,
        stage.merchant.merchant_id,
        person.customer,
        account_id=None,
        given=given,
        at=stage.now,
        how="a box at the order",
        actor="test",
    )


async def leaves(
    door: Door, reason: str | None = None, where: Place = BERLIN, locale: str = "en"
) -> Person:
    """Somebody who agreed to letters cancels, for a reason."""
    person = await door.stage.subscriber(APPROVES, locale=locale, **where)
    await agrees(door.stage, person)
    await says_why(door, person, reason)
    return person


async def says_why(door: Door, person: Person, reason: str | None) -> None:
    leaver = await door.opens(person)
    if reason is not None:
        await leaver.does("answer", step="why", reason=reason)
    await leaver.leaves()
    await door.stage.plays()


async def sent(stage: Stage) -> list[str]:
    """The letters after leaving that went out, in order."""
    found = await stage.find(Message, state=MessageState.SENT)
    mine = [m for m in found if m.template in BY_PERMISSION]
    return [m.template for m in sorted(mine, key=lambda m: m.sent_at or m.due_at)]


async def notes(stage: Stage, letter: AfterLetter) -> list[str | None]:
    """Why letters of a kind were not sent."""
    found = [a for a in await planned(stage) if a.state is ActionState.DROPPED]
    return [a.note for a in found if (a.data or {})["letter"] == letter]


async def planned(stage: Stage) -> list[Action]:
    """The letters that were planned."""
    return [a for a in await stage.find(Action) if a.kind is ActionKind.AFTER_LETTER]


async def link(stage: Stage, letter: AfterLetter, path: str) -> str:
    """The token of a link in the latest letter of a kind."""
    mails = [mail.text for mail in await stage.mails() if f"/{path}/" in mail.text]
    return mails[-1].partition(f"/{path}/")[2].split()[0]
