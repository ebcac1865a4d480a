"""Letters from templates: MJML compiled once, then filled in a sandbox."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, Template, TemplateError
from markupsafe import Markup, escape
from mjml import mjml2html

from app.domain.messages import Letter, Look, Rendered, Wording
from app.mail.facts import VARIABLES, colours_of, facts_of, facts_of_also
from app.mail.samples import golden
from app.mail.wordings import require_good
from app.ports.mailer import TemplateFault
from app.words.links import UnsafeLink
from app.words.phrases import Phrases, Say, sandbox
from app.words.plain import one_line
from app.words.wordings import wording_template

INCLUDE = re.compile(r'<mj-include path="([a-z_/]+\.mjml)"\s*/>')
PARAGRAPHS = re.compile(r"\n\s*\n")
LONGEST_SUBJECT = 180
# The link stands last: a name cut short leaves it whole, and no link is longer than this.
LONGEST_SHORT_NAME, LONGEST_SHORT = 30, 2500


@dataclass(frozen=True, slots=True)
class Templates:
    """The compiled templates of one message."""

    subject: Template
    words: Template
    look: Template


class TemplateRenderer:
    """`ports.mailer.Renderer` over a folder of letters (see its README).

    Everything is read and compiled when it is made: nothing touches the disk per letter, and a
    broken template or a missing phrase of a language ends the start.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `TemplateFault` where a template cannot be compiled."""
        self._phrases = Phrases([folder / "texts"])
        plain = sandbox(FileSystemLoader(folder), html=False)
        html = sandbox(html=True)
        try:
            self._text = plain.get_template("shared/letter.txt.j2")
            self._templates = {
                home.name: Templates(
                    subject=plain.get_template(f"{home.name}/subject.txt.j2"),
                    words=plain.get_template(f"{home.name}/body.txt.j2"),
                    look=html.from_string(_compiled(folder, home / "body.mjml")),
                )
                for home in sorted(path.parent for path in folder.glob("*/body.mjml"))
            }
        except (TemplateError, ValueError, OSError) as broken:
            raise TemplateFault(f"{folder.name}: {broken}") from broken

    @property
    def messages(self) -> tuple[str, ...]:
        """The messages there are templates for, sorted."""
        return tuple(self._templates)

    @property
    def phrases(self) -> Phrases:
        """The catalogue of every language."""
        return self._phrases

    def render(self, letter: Letter) -> Rendered:
        """Subject, text and HTML of a letter, all from the same paragraphs and facts.

        Raises `TemplateFault` for an unknown message, a phrase or value a template misses, and a
        link that is neither https nor this machine.
        """
        templates = self._templates.get(letter.template)
        if templates is None:
            raise TemplateFault(f"there is no letter {letter.template!r}")
        try:
            return self._filled(letter, templates)
        except (TemplateError, UnsafeLink, ValueError) as broken:
            raise TemplateFault(f"{letter.template}: {broken}") from broken

    def sample(self, template: str, language: str, wording: Wording | None, look: Look) -> Rendered:
        """A letter with made-up facts. Raises `TemplateFault`."""
        return self.render(replace(golden(template, language), wording=wording, look=look))

    def require_good(self, template: str, language: str, wording: Wording) -> None:
        """Try a wording with golden and hostile facts. Raises `BadWording`."""
        require_good(template, language, wording, render=self.render, phrases=self._phrases)

    def short(self, letter: Letter) -> str:
        """The letter as one short text, with the same amount, last day and link.

        Raises `TemplateFault` where there is no short form of this letter.
        """
        try:
            facts = facts_of(letter, self._phrases)
            facts["merchant"] = one_line(letter.merchant_name, longest=LONGEST_SHORT_NAME)
            say = self._phrases.speaker(letter.language, facts)
            return one_line(say(f"sms.{letter.template}"), longest=LONGEST_SHORT)
        except (TemplateError, UnsafeLink, ValueError) as broken:
            raise TemplateFault(f"{letter.template}: {broken}") from broken

    def _filled(self, letter: Letter, templates: Templates) -> Rendered:
        facts = facts_of(letter, self._phrases)
        say = self._phrases.speaker(letter.language, facts)
        facts["reason"] = say(f"reason.{facts['reason_key']}.why")
        facts["end"] = say(f"end.{letter.end_action}") if letter.end_action else ""
        facts["say"] = say
        module = templates.words.make_module(facts)
        words = self._worded(letter, templates, module, facts)
        subject = one_line(words.subject, longest=LONGEST_SUBJECT)
        paragraphs = _paragraphs(words.body)
        rows = _rows(module, facts, say)
        if letter.also:
            paragraphs.append(self._say_also(letter, facts))
            rows += [self._row_also(letter, facts, place) for place in range(len(letter.also))]
        parts = facts | {
            "subject": subject,
            "preheader": say(f"{letter.template}.preheader"),
            "heading": one_line(words.heading),
            "paragraphs": paragraphs,
            "rows": rows,
            "button": _button(module, facts, say),
        }
        linked = [_linked(paragraph, facts["manage"]) for paragraph in paragraphs]
        return Rendered(
            subject=subject,
            text=self._text.render(parts).strip() + "\n",
            html=templates.look.render(parts | colours_of(letter) | {"paragraphs": linked}),
        )

    def _worded(
        self, letter: Letter, templates: Templates, module: Any, facts: dict[str, Any]
    ) -> Wording:
        """Subject, heading and body: the merchant's own where there are any, else ours."""
        own = letter.wording
        if own is None:
            heading = facts["say"](self._heading(letter.template, facts))
            return Wording(
                subject=templates.subject.render(facts), heading=heading, body=str(module)
            )
        return Wording(
            subject=wording_template(own.subject, VARIABLES).render(facts),
            heading=wording_template(own.heading, VARIABLES).render(facts),
            body=wording_template(own.body, VARIABLES).render(facts),
        )

    def _heading(self, message: str, facts: dict[str, Any]) -> str:
        key = f"{message}.heading"
        return key if key in self._phrases.keys("en") else f"{key}.{facts['ending']}"

    def _say_also(self, letter: Letter, facts: dict[str, Any]) -> str:
        ends = "yes" if any(also.last_day for also in letter.also) else ""
        say = self._phrases.speaker(letter.language, facts | {"also_ends": ends})
        return say("also.lead")

    def _row_also(self, letter: Letter, facts: dict[str, Any], place: int) -> tuple[str, str]:
        own = facts_of_also(letter.also[place], letter, self._phrases)
        say = self._phrases.speaker(letter.language, facts | own)
        return say("also.label"), say("also.value")


def _paragraphs(body: str) -> list[str]:
    return [part.strip() for part in PARAGRAPHS.split(body) if part.strip()]


def _rows(module: Any, facts: dict[str, Any], say: Say) -> list[tuple[str, str]]:
    """The table of facts: those the letter names, where there is something to say."""
    return [(say(f"fact.{name}"), facts[name]) for name in module.rows if facts[name]]


def _button(module: Any, facts: dict[str, Any], say: Say) -> str:
    return say(f"button.{module.button}") if module.button and facts["link"] else ""


def _linked(paragraph: str, address: str) -> Markup:
    """A paragraph for HTML, with the one address it may name to be clicked."""
    safe = escape(paragraph)
    if not address:
        return safe
    anchor = Markup('<a href="{0}">{0}</a>').format(address)
    return safe.replace(escape(address), anchor)


def _compiled(folder: Path, body: Path) -> str:
    """HTML with its Jinja still in it.

    The includes are ours, since the compiler's own lose the width; and it is given no fonts, since
    it would load those it knows from elsewhere and so tell others who opened the letter.
    """
    source = INCLUDE.sub(
        lambda found: (folder / found[1]).read_text(encoding="utf-8").strip(),
        body.read_text(encoding="utf-8"),
    )
    return mjml2html(source, fonts={})
