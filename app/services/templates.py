"""A merchant's own wordings of letters: tried before they are kept, kept by version."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.alerts import AlertKind
from app.domain.correspondence import Letterhead, TemplateVersion
from app.domain.messages import Look, Rendered, Wording
from app.ports.mailer import TemplateFault
from app.ports.secrets import SecretUnreadable
from app.ports.store import Conflict, Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.merchants import settle_alerts

Place = tuple[str, str]  # template, language
NO_LOOK = Look()
PREVIEW_LIVES = timedelta(hours=1)


async def current(world: World, merchant_id: str) -> Mapping[Place, TemplateVersion]:
    """The newest version of each wording the merchant has, withdrawn ones too."""
    async with world.store.transaction(merchant_id) as tx:
        rows = await tx.find(TemplateVersion, where={"merchant_id": merchant_id})
    newest: dict[Place, TemplateVersion] = {}
    for row in sorted(rows, key=lambda row: row.version):
        newest[row.template, row.language] = row
    return newest


async def versions(world: World, merchant_id: str, place: Place) -> list[TemplateVersion]:
    """Every version of one wording, the newest first."""
    async with world.store.transaction(merchant_id) as tx:
        return await _versions(tx, merchant_id, place)


async def put(
    world: World, merchant_id: str, place: Place, wording: Wording | None, *, actor: str
) -> TemplateVersion:
    """Use this wording from now on, or ours again where it is None.

    The same wording again makes no new version. Raises `BadWording` for one that may not be used,
    `Conflict` where somebody else wrote a version at the same moment.
    """
    if wording is not None:
        world.renderer.require_good(*place, wording)
    async with world.store.transaction(merchant_id) as tx:
        known = await _versions(tx, merchant_id, place)
        if known and known[0].wording == wording:
            return known[0]
        row = _row(world, merchant_id, place, wording, actor)
        row = replace(row, version=known[0].version + 1 if known else 1)
        if not await tx.insert([row]):
            raise Conflict("a version like this was written meanwhile")
        line = audit(
            actor=actor,
            action="template.withdrawn" if wording is None else "template.set",
            subject=f"{row.template}/{row.language}",
            at=row.created_at,
            before=known[0] if known else None,
            after=row,
        )
        await tx.insert([line])
        mended = AlertKind.TEMPLATE
        await settle_alerts(tx, merchant_id, mended, row.template, at=row.created_at)
    return row


async def preview(
    world: World, merchant_id: str, place: Place, wording: Wording | None
) -> Rendered:
    """The letter with made-up facts on the merchant's letterhead: in this wording, else in the
    one in use. Raises `BadWording` and `TemplateFault`."""
    async with world.store.transaction(merchant_id) as tx:
        heads = await tx.load(Letterhead, [(merchant_id,)])
        known = await _versions(tx, merchant_id, place)
    if wording is not None:
        world.renderer.require_good(*place, wording)
    elif known:
        wording = known[0].wording
    look = heads[0].look if heads else NO_LOOK
    return world.renderer.sample(*place, wording, look)


def preview_url(world: World, merchant_id: str, place: Place) -> str:
    """An address at which the letter, in the words in use, can be looked at for an hour. It shows
    made-up facts only; the seal keeps others from asking for other merchants' letters."""
    until = (world.clock.now() + PREVIEW_LIVES).isoformat()
    sealed = world.sealer.seal("|".join((merchant_id, *place, until)))
    return f"{world.public_url}/preview/{sealed}"


async def shown(world: World, token: str) -> tuple[Place, Rendered] | None:
    """What a preview's address shows; None for one that is not ours or is over."""
    try:
        merchant_id, template, language, until = world.sealer.open(token).split("|")
        over = datetime.fromisoformat(until) <= world.clock.now()
    except (SecretUnreadable, ValueError):
        return None
    if over:
        return None
    try:
        return (template, language), await preview(world, merchant_id, (template, language), None)
    except TemplateFault:
        return None


async def _versions(tx: Transaction, merchant_id: str, place: Place) -> list[TemplateVersion]:
    where = {"merchant_id": merchant_id, "template": place[0], "language": place[1]}
    return await tx.find(TemplateVersion, where=where, order=("-version",))


def _row(
    world: World, merchant_id: str, place: Place, wording: Wording | None, actor: str
) -> TemplateVersion:
    words = wording or Wording(subject="", heading="", body="")
    return TemplateVersion(
        merchant_id=merchant_id,
        template=place[0],
        language=place[1],
        version=1,
        subject=words.subject,
        heading=words.heading,
        body=words.body,
        withdrawn=wording is None,
        created_at=world.clock.now(),
        created_by=actor,
    )
