"""A letter as it would read now. The words that left are not kept; the facts of today are."""

from dataclasses import replace

from app.domain.messages import Message, Rendered
from app.ports.mailer import TemplateFault
from app.ports.world import World
from app.services.books import asks_for_terms, load_case, terms_from
from app.services.letters import letter_of, stationery_for
from app.services.shelves import keeping
from app.services.work import Desk

NOWHERE = "preview"  # stands for the token: the link of a preview opens nothing


async def preview_letter(
    world: World, merchant_id: str, case_id: str, message_id: str
) -> tuple[Message, Rendered | None] | None:
    """A message of a case of this merchant and its words with the facts of this instant; None
    where there is no such message, no words where its template is broken. Changes nothing."""
    async with world.store.transaction(merchant_id) as tx:
        found = await tx.load(Message, [(message_id,)])
        if not found or found[0].merchant_id != merchant_id or found[0].case_id != case_id:
            return None
        message = found[0]
        asked = asks_for_terms([merchant_id], [message.account_id])
        book, case, also = await load_case(tx, case_id, also=asked)
        if case is None:
            return None
        terms = await keeping(tx, terms_from(world, *also)[message.account_id], [case])
        paper = await stationery_for(tx, message, terms.merchant)
        at = Desk(tx, book, terms, case_id)
        plain = letter_of(at, message, f"{world.public_url}/p/{NOWHERE}", [])
        letter = replace(plain, look=paper.look, wording=paper.wording)
    try:
        return message, world.renderer.render(letter)
    except TemplateFault:
        return message, None
