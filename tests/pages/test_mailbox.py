"""The mailbox page of the demo."""

import httpx
import pytest
from fastapi import FastAPI

from app.mail.mailbox import FolderMailbox, MailboxMailer
from app.pages.mailbox import mailbox_router
from tests.mail.letters import HOSTILE, RENDERER, a_full_letter, a_mail
from tests.pages.town import At

pytestmark = pytest.mark.anyio


@pytest.fixture
async def browser(tmp_path):
    app = FastAPI()
    app.include_router(mailbox_router(FolderMailbox(tmp_path)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://demo.example")


async def keep(folder, count=1, **changes):
    mailer = MailboxMailer(folder, clock=At())
    for number in range(count):
        mail = a_mail(message_id=f"msg_{number}", recipient=f"c{number:03}@example.com", **changes)
        await mailer.send(mail)


async def test_an_empty_mailbox_says_so(browser):
    assert "No mail yet" in (await browser.get("/demo/mailbox")).text


async def test_mails_are_listed_a_page_at_a_time(browser, tmp_path):
    await keep(tmp_path, count=51)

    first = (await browser.get("/demo/mailbox")).text
    second = (await browser.get("/demo/mailbox?before=50")).text

    assert "51 mails" in first
    assert "c000@example.com" in first
    assert "c050@example.com" not in first
    assert "c050@example.com" in second


async def test_a_mail_is_shown_with_its_letter_in_a_frame_without_rights(browser, tmp_path):
    await keep(tmp_path, body=RENDERER.render(a_full_letter()))
    [name] = await FolderMailbox(tmp_path).names()

    shown = await browser.get(f"/demo/mailbox/{name}")
    letter = await browser.get(f"/demo/mailbox/{name}/letter")

    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in shown.text
    assert "€29.00" in shown.text
    assert "script-src" not in shown.headers["content-security-policy"]
    assert letter.headers["content-security-policy"].startswith("sandbox ")
    assert "allow-scripts" not in letter.headers["content-security-policy"]
    assert "€29.00" in letter.text


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_mail_is_only_looked_at(browser, tmp_path, attack):
    letter = a_full_letter(merchant_name=attack, customer_name=attack, plan=attack)
    await keep(tmp_path, sender_name=attack, body=RENDERER.render(letter))
    [name] = await FolderMailbox(tmp_path).names()

    for path in ("/demo/mailbox", f"/demo/mailbox/{name}"):
        shown = await browser.get(path)

        assert shown.status_code == 200
        assert "<script" not in shown.text
        assert "<img" not in shown.text


@pytest.mark.parametrize("name", ["nothere", "..%2Fsecret", "%00", "x" * 500])
async def test_a_mail_that_is_not_there_is_not_found(browser, name):
    assert (await browser.get(f"/demo/mailbox/{name}")).status_code == 404
    assert (await browser.get(f"/demo/mailbox/{name}/letter")).status_code == 404
