"""What letters say: every message, in every language, in every situation."""

import re
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser

import pytest
from jinja2 import TemplateError

from app.domain.languages import LANGUAGES
from app.domain.messages import BY_PERMISSION
from app.ports.mailer import TemplateFault
from app.resources import resource
from app.words.phrases import Phrases, sandbox
from tests.mail.letters import (
    ENDS,
    HOSTILE,
    LINK,
    MESSAGES,
    REASONS,
    RENDERER,
    a_full_letter,
    a_letter,
)

NEVER_SAID = re.compile(r"stolen|lost card|fraud|gestohlen|verloren|betrug|undefined|none", re.I)


class Reader(HTMLParser):
    """The visible text of a letter, the way a reader gets it, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: set[str] = set()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._unseen = 0

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._unseen += tag in {"style", "title", "xml"}
        if tag == "a":
            self.links.add(dict(attrs)["href"] or "")

    def handle_endtag(self, tag):
        self._unseen -= tag in {"style", "title", "xml"}

    def handle_data(self, data):
        if not self._unseen:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


# No phrase depends on both at once: each reason, and each end, is seen once.
SITUATIONS = [*((reason, None) for reason in REASONS), *((REASONS[0], end) for end in ENDS)]
# Letters that are about no invoice of its own.
OWES_NOTHING = BY_PERMISSION | {"withdrawal_confirmed", "declaration_received"}


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def same(text: str) -> str:
    return " ".join(text.split())


def test_there_is_a_letter_for_each_message():
    assert set(RENDERER.messages) == set(MESSAGES)


def test_every_language_has_the_same_phrases():
    keys = {language: RENDERER.phrases.keys(language) for language in RENDERER.phrases.languages}

    assert set(keys) == set(LANGUAGES)
    assert set(keys.values()) == {keys["en"]}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("build", [a_letter, a_full_letter])
def test_every_letter_can_be_written_in_every_situation(build, message, language):
    for reason, end in SITUATIONS:
        letter = build(template=message, language=language, reason_key=reason, end_action=end)

        written = RENDERER.render(letter)

        assert written.subject
        assert "29" in written.text or message in OWES_NOTHING
        assert not NEVER_SAID.search(read(written.html).text), (reason, end)
        assert not re.search(r"{[{%]|[%}]}", written.subject + written.text + written.html)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("message", MESSAGES)
def test_text_and_html_say_the_same(message, language):
    written = RENDERER.render(a_full_letter(template=message, language=language))
    html = read(written.html)
    figures = re.compile(r"[\d][\d.,]*")

    assert set(figures.findall(written.text)) <= set(figures.findall(html.text))
    assert html.links == set(re.findall(r"https?://\S+", written.text))
    for paragraph in written.text.split("\n\n")[:3]:
        assert same(paragraph) in html.text


def test_a_letter_names_amount_reason_retry_last_day_and_what_happens_then():
    text = RENDERER.render(a_full_letter()).text

    assert "€29.00" in text
    assert "not enough money available" in text
    assert "try again automatically on Sunday, November 15, 2026" in text
    assert "still unpaid on Tuesday, December 1, 2026, your subscription will be cancelled" in text
    assert f"Review and pay:\n{LINK}" in text


def test_a_letter_promises_no_retry_where_none_is_planned():
    written = RENDERER.render(a_full_letter(next_retry_at=None, reason_key="card_expired"))

    assert "again automatically" not in written.text
    assert "Next automatic attempt" not in written.text
    assert "Update your card" in written.text


def test_german_days_and_amounts_are_german_and_in_the_customers_zone():
    late = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)
    letter = a_full_letter(language="de-DE", last_day=late, amount_minor=123456)

    text = RENDERER.render(letter).text

    assert "1.234,56\u00a0€" in text
    assert "Ist der Betrag am Mittwoch, 2. Dezember 2026 noch offen, wird Ihr Abonnement" in text


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        pytest.param(4900, "jpy", "¥4,900", id="no decimals"),
        pytest.param(12345, "kwd", "KWD\u00a012.345", id="three decimals"),
        pytest.param(4900, "isk", "ISK\u00a049", id="fewer shown than the provider counts"),
        pytest.param(4950, "isk", "ISK\u00a049.50", id="but never less than the truth"),
        pytest.param(4950, "huf", "HUF\u00a049.50", id="forint"),
    ],
)
def test_an_amount_has_as_many_digits_as_its_currency(amount, currency, shown):
    written = RENDERER.render(a_letter(amount_minor=amount, currency=currency))

    assert f"Amount: {shown}\n" in written.text
    assert shown in unescape(written.html)


def test_an_unknown_language_zone_and_reason_are_no_reason_to_stay_silent():
    letter = a_full_letter(language="tlh", time_zone="Mars/Olympus", reason_key="moon_phase")

    text = RENDERER.render(letter).text

    assert "we were not told why" in text
    assert "Tuesday, December 1, 2026" in text


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("message", MESSAGES)
def test_names_are_only_ever_words(message, attack):
    letter = a_full_letter(
        template=message,
        merchant_name=attack,
        customer_name=attack,
        plan=attack,
        invoice_number=attack,
        mended=attack,
    )

    written = RENDERER.render(letter)

    html = read(written.html)
    harmless = read(RENDERER.render(a_full_letter(template=message)).html)
    assert [tag for tag, _ in html.tags] == [tag for tag, _ in harmless.tags]
    assert html.links == harmless.links
    assert "\n" not in written.subject
    assert len(written.subject) <= 180
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", written.text)
    written.html.encode()


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        pytest.param("Ada Example", "Hello Ada Example,", id="a name"),
        pytest.param("J.R.R. O'Neill-Żak", "Hello J.R.R. O'Neill-Żak,", id="a rare name"),
        pytest.param("Zoë 🎉", "Hello Zoë 🎉,", id="emoji"),
        pytest.param("You won! Visit prize.example now", "Hello,", id="an address to click"),
        pytest.param("A" * 61, "Hello,", id="a whole message"),
        pytest.param("", "Hello,", id="empty"),
        pytest.param(None, "Hello,", id="none"),
    ],
)
def test_a_greeting_names_people_not_messages(name, greeting):
    assert RENDERER.render(a_letter(customer_name=name)).text.startswith(greeting + "\n")


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "http://pay.example.com/p/x",
        "https://user@pay.example.com/",
        "https:///p/x",
        "https://pay.example.com/\r\nBcc: x",
        'https://pay.example.com/"onclick=',
        "//pay.example.com/p/x",
        "data:text/html,x",
        "https://[::1/p",
    ],
)
def test_a_letter_leads_nowhere_unsafe(link):
    with pytest.raises(TemplateFault):
        RENDERER.render(a_letter(link=link))


@pytest.mark.parametrize(
    "link", ["http://localhost:8400/p/x", "http://127.0.0.1/p/x", "http://[::1]:1/p"]
)
def test_the_demo_may_lead_to_this_machine(link):
    assert link in RENDERER.render(a_letter(link=link)).text


def test_without_a_link_there_is_no_button():
    written = RENDERER.render(a_letter(link=None))

    assert read(written.html).links == set()
    assert "Review and pay" not in written.text


def test_an_unknown_message_or_end_is_a_fault_not_a_half_letter():
    with pytest.raises(TemplateFault):
        RENDERER.render(a_letter(template="nobody_wrote_this"))
    with pytest.raises(TemplateFault):
        RENDERER.render(a_full_letter(end_action="explode"))


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(TemplateError):
        sandbox(html=True).from_string("Dear {{ nobody }}").render({})


def test_a_phrase_knows_nothing_but_text():
    phrases = Phrases([resource("email_templates") / "texts"])

    with pytest.raises(TemplateError):
        phrases.speaker("en", {})("payment_failed.lead")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("message", MESSAGES)
def test_a_letter_can_be_read_by_everyone(message, language):
    written = RENDERER.render(a_full_letter(template=message, language=language))

    tags = read(written.html).tags
    roles = {attrs.get("role") for tag, attrs in tags if tag == "table"}
    tables = [attrs for tag, attrs in tags if tag == "table"]
    assert next(attrs for tag, attrs in tags if tag == "html")["lang"] == language
    assert f"<title>{written.subject}</title>" in unescape(written.html)
    assert [tag for tag, _ in tags].count("h1") == 1
    assert ("meta", {"name": "color-scheme", "content": "light dark"}) in tags
    assert roles <= {"presentation", None}
    assert sum(attrs.get("role") is None for attrs in tables) == 1  # the facts: a table indeed
    assert not [tag for tag, _ in tags if tag in {"script", "img", "link", "iframe", "form"}]


def test_where_the_page_offers_nothing_the_letter_leads_nowhere():
    written = RENDERER.render(a_full_letter(template="payment_recovered"))

    assert read(written.html).links == set()
    assert LINK not in written.text
