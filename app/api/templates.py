"""`/v1/templates`: a merchant's own wordings of letters, tried before they are kept."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from app.api.auth import Caller, require
from app.api.dependencies import WorldDep
from app.api.problems import OF_EVERY_BODY, Problem, problems
from app.domain.correspondence import TemplateVersion
from app.domain.languages import LANGUAGES
from app.domain.merchants import Scope
from app.domain.messages import TEMPLATES, Rendered, Wording
from app.ports.mailer import BadWording, TemplateFault
from app.services import templates
from app.words.plain import one_line

router = APIRouter(prefix="/v1/templates", tags=["messages"])
Reader = Annotated[Caller, Depends(require(Scope.MESSAGES_READ))]
Writer = Annotated[Caller, Depends(require(Scope.MESSAGES_WRITE))]
LONGEST_BODY = 6000


class TemplateName(StrEnum):
    """A letter there is."""

    RENEWAL_REMINDER = "renewal_reminder"
    CARD_EXPIRING = "card_expiring"
    PAUSE_ENDING = "pause_ending"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_REMINDER = "payment_reminder"
    FINAL_NOTICE = "final_notice"
    PAYMENT_RECOVERED = "payment_recovered"
    SUBSCRIPTION_ENDED = "subscription_ended"
    CANCELLATION_CONFIRMED = "cancellation_confirmed"
    EXIT_FEEDBACK = "exit_feedback"
    WIN_BACK_BEFORE_END = "win_back_before_end"
    WIN_BACK = "win_back"
    WE_FIXED_IT = "we_fixed_it"
    WITHDRAWAL_CONFIRMED = "withdrawal_confirmed"
    DECLARATION_RECEIVED = "declaration_received"


class Language(StrEnum):
    """A language letters are written in."""

    EN = "en"
    DE = "de"
    FR = "fr"
    ES = "es"
    ZH_HANS = "zh-Hans"


TemplatePath = Annotated[TemplateName, Path(description="Which letter.")]
LanguagePath = Annotated[Language, Path(description="In which language.")]


class WordingIn(BaseModel):
    """A wording: text with `{{ names }}` and `{% if name %}…{% endif %}`, nothing else. The table
    of facts, the button and the footer are below it whatever it says."""

    model_config = ConfigDict(extra="forbid")
    subject: Annotated[str, Field(min_length=1, max_length=500)]
    heading: Annotated[str, Field(min_length=1, max_length=500)]
    body: Annotated[
        str,
        Field(min_length=1, max_length=LONGEST_BODY, description="Paragraphs, a blank line apart."),
    ]

    def wording(self) -> Wording:
        """The same without what no letter can hold: control characters, halves of characters."""
        lines = (one_line(line, longest=LONGEST_BODY) for line in self.body.splitlines())
        return Wording(
            subject=one_line(self.subject, longest=500),
            heading=one_line(self.heading, longest=500),
            body="\n".join(lines).strip(),
        )


class TemplateOut(BaseModel):
    """A letter in a language, and the merchant's own words for it where there are any."""

    template: str
    language: str
    when: str = Field(description="When it goes out by default.")
    version: int = Field(description="Of the merchant's wording; 0 where there was never one.")
    subject: str | None
    heading: str | None
    body: str | None
    changed_at: datetime | None

    @classmethod
    def of(cls, template: str, language: str, row: TemplateVersion | None) -> Self:
        wording = row.wording if row else None
        return cls(
            template=template,
            language=language,
            when=TEMPLATES[template],
            version=row.version if row else 0,
            subject=wording.subject if wording else None,
            heading=wording.heading if wording else None,
            body=wording.body if wording else None,
            changed_at=row.created_at if row else None,
        )


class TemplateList(BaseModel):
    """Every letter in every language."""

    templates: list[TemplateOut]


class TemplateFile(TemplateOut):
    """One letter in one language with its former wordings, the newest first."""

    versions: list[TemplateOut]


class PreviewIn(BaseModel):
    """The wording to look at; without one that in use."""

    model_config = ConfigDict(extra="forbid")
    wording: WordingIn | None = None


class LetterOut(BaseModel):
    """A letter with made-up facts."""

    subject: str
    text: str
    html: str
    page: str = Field(
        description="Where the letter in the words in use can be looked at, for an hour."
    )

    @classmethod
    def of(cls, written: Rendered, page: str) -> Self:
        return cls(subject=written.subject, text=written.text, html=written.html, page=page)


@router.get("")
async def list_templates(caller: Reader, world: WorldDep) -> TemplateList:
    """Every letter in every language, with the merchant's own words where there are any."""
    known = await templates.current(world, caller.merchant_id)
    return TemplateList(
        templates=[
            TemplateOut.of(template, language, known.get((template, language)))
            for template in TEMPLATES
            for language in LANGUAGES
        ]
    )


@router.get("/{template}/{language}")
async def show_template(
    caller: Reader, world: WorldDep, template: TemplatePath, language: LanguagePath
) -> TemplateFile:
    """One letter in one language, with every version of the merchant's wording."""
    place = (template.value, language.value)
    rows = await templates.versions(world, caller.merchant_id, place)
    newest = TemplateOut.of(*place, rows[0] if rows else None)
    history = [TemplateOut.of(*place, row) for row in rows]
    return TemplateFile(**newest.model_dump(), versions=history)


@router.put("/{template}/{language}", responses=OF_EVERY_BODY | problems("bad-wording", "conflict"))
async def set_template(
    caller: Writer,
    world: WorldDep,
    template: TemplatePath,
    language: LanguagePath,
    given: WordingIn,
) -> TemplateOut:
    """Use this wording from now on. It is tried with golden and hostile facts first, and refused
    where a required fact would be missing. The same wording again changes nothing."""
    return await _put(world, caller, (template.value, language.value), given.wording())


@router.delete("/{template}/{language}", responses=problems("conflict"))
async def withdraw_template(
    caller: Writer, world: WorldDep, template: TemplatePath, language: LanguagePath
) -> TemplateOut:
    """Use our words again. Former versions stay to be looked at."""
    return await _put(world, caller, (template.value, language.value), None)


@router.post("/{template}/{language}/preview", responses=OF_EVERY_BODY | problems("bad-wording"))
async def preview_template(
    caller: Reader,
    world: WorldDep,
    template: TemplatePath,
    language: LanguagePath,
    given: PreviewIn,
) -> LetterOut:
    """The letter with made-up facts on the merchant's letterhead. Nothing is kept or sent."""
    wording = given.wording.wording() if given.wording else None
    place = (template.value, language.value)
    try:
        written = await templates.preview(world, caller.merchant_id, place, wording)
        return LetterOut.of(written, templates.preview_url(world, caller.merchant_id, place))
    except BadWording as bad:
        raise refused(bad) from bad
    except TemplateFault as broken:
        raise Problem("bad-wording", "The letter cannot be written.") from broken


async def _put(
    world: WorldDep, caller: Caller, place: templates.Place, wording: Wording | None
) -> TemplateOut:
    try:
        row = await templates.put(
            world, caller.merchant_id, place, wording, actor=f"key:{caller.key_id}"
        )
    except BadWording as bad:
        raise refused(bad) from bad
    return TemplateOut.of(*place, row)


def refused(bad: BadWording) -> Problem:
    """The problem of a wording that may not be used: which part, and why."""
    return Problem(
        "bad-wording", "The wording may not be used.", errors=[(f"body.{bad.part}", bad.why)]
    )
