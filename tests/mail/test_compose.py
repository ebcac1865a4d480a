"""Mail reads back as meant, whatever the names in it try."""

from collections import Counter
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import SMTP, compat32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.messages import Rendered
from app.mail.compose import compose, harmless
from app.ports.mailer import MailRefused
from tests.mail.letters import HOSTILE, NOW, RENDERER, a_full_letter, a_mail

OURS = Counter(
    [
        *("from", "to", "subject", "date", "message-id", "auto-submitted"),
        *("x-auto-response-suppress", "content-language", "mime-version", "content-type"),
    ]
)


def read_by_a_stranger(content: bytes) -> EmailMessage:
    return BytesParser(EmailMessage, policy=SMTP).parsebytes(content)


def _decoded(part: Message) -> bytes:
    body = part.get_payload(decode=True)
    assert isinstance(body, bytes)
    return body


def headers_of(content: bytes) -> list[Counter[str]]:
    """The header names as three readers see them: two of Python's and one that splits lines."""
    head = content.split(b"\r\n\r\n", 1)[0].decode()
    raw = [line.split(":")[0] for line in head.split("\r\n") if not line.startswith((" ", "\t"))]
    seen = [
        list(read_by_a_stranger(content).keys()),
        list(message_from_bytes(content, policy=compat32).keys()),
        raw,
    ]
    return [Counter(name.lower() for name in names) for names in seen]


def test_a_mail_has_both_parts_and_says_that_a_machine_wrote_it():
    content = compose(a_mail(), at=NOW)

    read = read_by_a_stranger(content)
    assert read["From"] == "Kelpworks <billing@kelpworks.example>"
    assert read["To"] == "ada@example.com"
    assert read["Message-ID"] == "<msg_0192f3a0@kelpworks.example>"
    assert read["Date"] == "Tue, 10 Nov 2026 08:30:00 +0000"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Content-Language"] == "en"
    assert read.get_content_type() == "multipart/alternative"
    plain, html = read.iter_parts()
    assert plain.get_content().split() == ["Hello,", "Ä", "€29.00"]
    assert html.get_content().strip() == "<p>Ä €29.00</p>"


@given(st.text())
def test_whatever_a_text_is_made_of_its_lines_are_short_and_read_as_they_were_written(text):
    read = read_by_a_stranger(
        compose(a_mail(body=Rendered(subject="Hello", text=text, html=text)), at=NOW)
    )

    written = text.encode("utf-8", "replace").splitlines()
    for part in read.iter_parts():
        assert _decoded(part).splitlines() == written
        assert max(map(len, str(part.get_payload()).splitlines()), default=0) <= 76


@pytest.mark.parametrize("line", [".", "From me", "trailing ", "tab\t", "=", "a" * 200, "", "\x0c"])
def test_a_line_of_any_kind_comes_through(line):
    text = f"before\n{line}\nbehind"

    read = read_by_a_stranger(
        compose(a_mail(body=Rendered(subject="Hello", text=text, html=text)), at=NOW)
    )

    assert [_decoded(part).decode() for part in read.iter_parts()] == 2 * [
        text.replace("\n", "\r\n") + "\r\n"
    ]


def test_the_same_mail_is_the_same_bytes():
    assert compose(a_mail(), at=NOW) == compose(a_mail(), at=NOW)


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_names_and_subjects_change_no_header_and_no_recipient(attack):
    body = Rendered(subject=attack, text=attack, html=attack)

    content = compose(a_mail(sender_name=attack, body=body), at=NOW)

    assert headers_of(content) == [OURS] * 3
    assert read_by_a_stranger(content)["To"] == "ada@example.com"


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_whole_letter_with_hostile_names_becomes_one_harmless_mail(attack):
    body = RENDERER.render(a_full_letter(customer_name=attack, merchant_name=attack, plan=attack))

    content = compose(a_mail(sender_name=attack, body=body), at=NOW)

    assert headers_of(content) == [OURS] * 3


@given(name=st.text(max_size=120), subject=st.text(max_size=300))
def test_no_text_at_all_becomes_a_header(name, subject):
    mail = a_mail(sender_name=name, body=replace(a_mail().body, subject=subject))

    try:
        content = compose(mail, at=NOW)
    except MailRefused:
        return

    assert headers_of(content) == [OURS] * 3


def test_the_start_of_an_encoded_word_cannot_be_rebuilt_by_taking_it_out():
    assert harmless("==??=?=?utf-8") == "utf-8"


def test_an_honest_name_stays_as_it_is():
    content = compose(a_mail(sender_name="Käse & Söhne 🧀"), at=NOW)

    sender = read_by_a_stranger(content)["From"].addresses[0]
    assert sender.display_name == "Käse & Söhne 🧀"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@example.com, victim@example.org",
        "ada@example.com\r\nBcc: victim@example.org",
        "Ada <ada@example.com>",
        '"a b"@example.com',
        "ada@exa mple.com",
        "=?utf-8?q?a?=@example.com",
        "ada@-example.com",
        "ada@example..com",
        "ada.@example.com",
        "ädä@example.com",
        "ada@[127.0.0.1]",
        "a" * 250 + "@example.com",
        "ada@example.com\x00",
    ],
)
def test_what_is_not_one_plain_address_gets_no_mail(address):
    for field in ("recipient", "sender"):
        with pytest.raises(MailRefused):
            compose(a_mail(**{field: address}), at=NOW)


def test_a_domain_in_any_script_is_written_in_ascii():
    content = compose(a_mail(recipient="ada@bücher.example"), at=NOW)

    assert b"\r\nTo: ada@xn--bcher-kva.example\r\n" in content


def test_replies_go_where_the_merchant_wants_them():
    content = compose(a_mail(reply_to="help@kelpworks.example"), at=NOW)

    assert b"\r\nReply-To: help@kelpworks.example\r\n" in content


def test_extra_headers_cannot_replace_ours():
    fine = compose(a_mail(headers=(("List-Unsubscribe", "<https://x.example/u/1>"),)), at=NOW)

    assert b"\r\nList-Unsubscribe: <https://x.example/u/1>\r\n" in fine
    for name in ("Bcc", "To", "List\r\nBcc", "X-"):
        with pytest.raises(MailRefused):
            compose(a_mail(headers=((name, "victim@example.org"),)), at=NOW)


def test_an_id_that_is_not_ours_is_refused():
    with pytest.raises(MailRefused):
        compose(a_mail(message_id="msg>\r\nBcc: victim@example.org"), at=NOW)
