"""Letters from templates: MJML compiled once, then filled in a sandbox."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, Template, TemplateError
from mjml import mjml2html

from app.domain.messages import Letter, Rendered
from app.ports.mailer import TemplateFault
from app.words.formats import show_day, show_money
from app.words.links import UnsafeLink, safe_link
from app.words.phrases import Phrases, Say, sandbox
from app.words.plain import one_line, personal_name

INCLUDE = re.compile(r'<mj-include path="([a-z_/]+\.mjml)"\s*/>')
PARAGRAPHS = re.compile(r"\n\s*\n")
LONGEST_SUBJECT = 180

# What the customer has to do about a reason; every other reason is `pay`.
NEED = {
    "card_expired": "card",
    "card_data": "card",
    "no_method": "card",
    "authentication": "authenticate",
}


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
        except (TemplateError, UnsafeLink) as broken:
            raise TemplateFault(f"{letter.template}: {broken}") from broken

    def _filled(self, letter: Letter, templates: Templates) -> Rendered:
        facts = self._facts(letter)
        say = self._phrases.speaker(letter.language, facts)
        facts["reason"] = say(f"reason.{facts['reason_key']}.why")
        facts["end"] = say(f"end.{letter.end_action}") if letter.end_action else ""
        facts["say"] = say
        subject = one_line(templates.subject.render(facts), longest=LONGEST_SUBJECT)
        module = templates.words.make_module(facts)
        parts = facts | {
            "subject": subject,
            "preheader": say(f"{letter.template}.preheader"),
            "paragraphs": [p.strip() for p in PARAGRAPHS.split(str(module)) if p.strip()],
            "rows": _rows(module, facts, say),
            "button": _button(module, facts, say),
        }
        return Rendered(
            subject=subject,
            text=self._text.render(parts).strip() + "\n",
            html=templates.look.render(parts),
        )

    def _facts(self, letter: Letter) -> dict[str, Any]:
        """The letter as finished words; what is not known is an empty string."""
        locale = self._phrases.locale_of(letter.language)
        known = f"reason.{letter.reason_key}.why" in self._phrases.keys("en")
        reason = letter.reason_key if known else "unknown"
        days = {
            "next_retry": letter.next_retry_at,
            "last_day": letter.last_day,
            "paid_on": letter.paid_at,
        }
        return {
            "language": self._phrases.language_of(letter.language),
            "merchant": one_line(letter.merchant_name),
            "name": personal_name(letter.customer_name),
            "amount": show_money(letter.amount_minor, letter.currency, locale),
            "plan": one_line(letter.plan or ""),
            "invoice": one_line(letter.invoice_number or ""),
            "reason_key": reason,
            "need": NEED.get(reason, "pay"),
            "end_action": letter.end_action or "",
            "ending": letter.end_action or "leave",
            "link": safe_link(letter.link) if letter.link else "",
        } | {
            name: show_day(day, letter.time_zone, locale) if day else ""
            for name, day in days.items()
        }


def _rows(module: Any, facts: dict[str, Any], say: Say) -> list[tuple[str, str]]:
    """The table of facts: those the letter names, where there is something to say."""
    return [(say(f"fact.{name}"), facts[name]) for name in module.rows if facts[name]]


def _button(module: Any, facts: dict[str, Any], say: Say) -> str:
    return say(f"button.{module.button}") if module.button and facts["link"] else ""


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
