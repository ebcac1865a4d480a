"""What the public forms look like: from what was filled in to HTML, in the form's language."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.domain.declarations import (
    LONGEST_ADDRESS,
    LONGEST_NAME,
    LONGEST_REFERENCE,
    Declaration,
    Given,
)
from app.domain.merchants import Merchant
from app.domain.survey import LONGEST_WORDS
from app.pages.views import Page, fill
from app.services.declaring import Sheet
from app.words.declaring import PHRASES, declared_rows, receipt_rows
from app.words.plain import one_line

TEMPLATE = "form.html.j2"
# Of each line of the form: how a browser may fill it in, and how long it may be.
LINES = (
    ("name", "text", "name", LONGEST_NAME),
    ("email", "email", "email", LONGEST_ADDRESS),
    ("reference", "text", "off", LONGEST_REFERENCE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form: its place in the path, its language where a law of one country asks for it, whether
    it withdraws from the contract or leaves it, and whether it sums up before it counts."""

    name: str
    language: str | None = None
    withdraws: bool = False
    sums_up: bool = False

    @property
    def words(self) -> str:
        """Which phrases it speaks with."""
        return "withdraw" if self.withdraws else "leave"

    def in_language(self, language: str) -> "Form":
        """The form in this language."""
        return replace(self, language=language)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A form handed out: whose it is, where it is sent, the name of the sheet, and what was filled
    in so far."""

    house: Merchant
    at: str
    once: str
    given: Given
    root: str = ""


def form_page(form: Form, paper: Paper, faults: Sequence[str] = ()) -> Page:
    """The form, as it was filled in so far; `faults` are the fields that are missing."""
    facts = {
        "what": "form",
        "heading": f"{form.words}.heading",
        "lines": [(name, kind, fills, most) for name, kind, fills, most in LINES],
        "faults": list(faults),
        "longest": LONGEST_WORDS,
    }
    status = 422 if faults else 200
    return _on(paper, form, status=status, **facts)


def sum_up_page(form: Form, paper: Paper) -> Page:
    """What will be declared, to be looked over, and the button that counts."""
    rows = declared_rows(paper.given, form.language or "en")
    return _on(paper, form, what="sum_up", heading=f"{form.words}.sum_up", rows=rows)


def _on(paper: Paper, form: Form, **facts: Any) -> Page:
    facts |= {"at": paper.at, "once": paper.once, "given": paper.given}
    return _page(form, paper.house, root=paper.root, **facts)


def done_page(sheet: Sheet, row: Declaration, *, at: str, root: str = "") -> Page:
    """It has arrived; the same for everybody."""
    form, house = Form(name="", language=row.language), sheet.merchant
    rows = receipt_rows(row, house.time_zone)
    facts: dict[str, Any] = {"what": "done", "heading": "done.heading", "rows": rows}
    facts["letter"] = f"done.letter.{sheet.receipt}"
    return _page(form, house, root=root, at=at, once=row.once, **facts)


def busy_page(form: Form, house: Merchant, *, root: str = "") -> Page:
    """Too many at once: nothing was taken in."""
    facts = {"what": "busy", "heading": "busy.heading"}
    return _page(form, house, root=root, status=429, **facts)


def unavailable_page(form: Form, house: Merchant | None, *, root: str = "") -> Page:
    """Nothing could be taken in."""
    facts = {"what": "busy", "heading": "busy.heading"}
    return _page(form, house, root=root, status=503, **facts)


def nowhere_page(language: str, *, root: str = "") -> Page:
    """There is no such form, or the receipt is no longer shown."""
    form = Form(name="", language=language)
    facts = {"what": "nowhere", "heading": "nowhere.heading"}
    return _page(form, None, root=root, status=404, **facts)


NOTHING: dict[str, Any] = {
    "rows": [], "lines": [], "faults": [], "given": None, "at": "", "once": "", "longest": 0,
    "letter": "",
}  # fmt: skip


def _page(
    form: Form, house: Merchant | None, *, root: str, status: int = 200, **facts: Any
) -> Page:
    told = NOTHING | facts
    language = form.language or "en"
    merchant = one_line(house.name) if house else ""
    say = PHRASES.speaker(language, {"merchant": merchant})
    told |= {"heading": say(told["heading"]), "words": form.words, "form": form}
    told |= {"language": PHRASES.language_of(language), "merchant": merchant, "say": say}
    return Page(html=fill(TEMPLATE, root=root, **told), status=status)
