"""docs/messages.md is what the code does: letters, languages, variables, reports."""

import re

import pytest

from app.domain.correspondence import ReportKind
from app.domain.languages import LANGUAGES
from app.domain.messages import BY_PERMISSION, TEMPLATES
from app.domain.notice_windows import is_courtesy
from app.mail.facts import VARIABLES
from app.mail.render import TemplateRenderer
from app.mail.reports import READERS
from app.mail.wordings import REQUIRED
from app.resources import resource
from tests.house.sources import ROOT

PAGE = (ROOT / "docs" / "messages.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading row."""
    lines = PAGE[PAGE.index(heading) :].splitlines()[2:]
    table = lines[: next((n for n, line in enumerate(lines) if not line.startswith("|")), None)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_page_has_every_letter_and_when_it_goes_out() -> None:
    told = {row[0].strip("`"): row[1] for row in rows("| letter |")}

    assert told == TEMPLATES


def test_there_is_a_folder_and_a_sample_for_each_letter() -> None:
    renderer = TemplateRenderer(resource("email_templates"))

    assert set(renderer.messages) == set(TEMPLATES)


def test_the_page_has_what_each_letter_must_say() -> None:
    told = {row[0].strip("`"): tuple(re.findall(r"`(\w+)`", row[2])) for row in rows("| letter |")}

    assert told == REQUIRED


def test_the_page_says_from_what_one_may_unsubscribe() -> None:
    told = {row[0].strip("`"): row[3] for row in rows("| letter |")}
    others = set(told) - {"card_expiring", "renewal_reminder", *BY_PERMISSION}

    assert told["card_expiring"] == "yes"
    assert re.findall(r"\d+", told["renewal_reminder"]) == [
        str(days) for days in (2, 3, 7, 28) if is_courtesy(days)
    ]
    assert {told[letter] for letter in others} == {"no"}
    assert {told[letter] for letter in BY_PERMISSION} == {"yes"}


def test_the_page_has_every_name_a_wording_may_use() -> None:
    assert {row[0].strip("`"): row[1] for row in rows("| name |")} == VARIABLES


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_every_language(language: str) -> None:
    assert f"(`{language}`)" in PAGE


def test_the_page_has_every_provider_and_kind_of_report() -> None:
    assert [row[0].strip("`") for row in rows("| provider |")] == list(READERS)
    assert [row[0].strip("`") for row in rows("| kind |")] == [kind.value for kind in ReportKind]
