"""P12: secrets, card numbers and mail addresses go every way there is, and are then looked for in
every row, every line of the logs and every mail."""

import json
import re
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from app.domain.afterwards import AfterLetter
from app.logs import configure_logging
from app.pages.forms import forms_router
from app.services import channels, merchants, payment_links
from tests.databases import Server
from tests.outgoing.receiver import answer
from tests.stories.canaries import in_rows, tokens_in
from tests.stories.cards import EXPIRED
from tests.stories.leaving import Door, open_door
from tests.stories.parting import agrees, link, switched
from tests.stories.test_declaring import declares
from tests.stories.told import Told

pytestmark = pytest.mark.anyio
# Written as people write them.
CARDS = ("4242 4242 4242 4242", "4242-4242-4242-4242", "4242424242424242", "4242.4242.4242.4242")
ADDRESS = "canary.person@example.com"
NAME = "Canary Person"
WEBHOOK, SMS, REVOKED = "whsec_canarywebhook0", "canary-sms-secret", "sk_test_canaryrevoked0"
# Where a customer's address is kept on purpose: to write to, to recognise, and as it came.
KEPT_ADDRESSES = {
    "customers.email",
    "declarations.email",
    "inbox.body",
    "invoices.customer_email",
    "messages.recipient",
}


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    yield capsys
    structlog.reset_defaults()


@pytest.fixture
async def door(told: Told) -> AsyncIterator[Door]:
    opened = await open_door(told.stage)
    opened.app.include_router(forms_router(told.stage.world))
    opened.client.follow_redirects = True
    configure_logging(level="debug")
    async with opened.client:
        yield opened


async def every_way(door: Door, told: Told) -> set[str]:
    """A merchant's secrets and a customer's texts on every way; the secrets, ours among them."""
    stage = door.stage
    await merchants.add_webhook_secret(stage.world, stage.account, secret=WEBHOOK, actor="test")
    await channels.set_channels(
        stage.world,
        stage.merchant.merchant_id,
        actor="test",
        sms_on=True,
        sms_url="https://sms.example.com/send",
        sms_sender="Kelp",
        sms_secret=SMS,
        alert_address=None,
        alert_url=None,
    )
    # an endpoint that answers with what nobody should keep
    told.receiver.always = answer(500, f"{CARDS[0]} {ADDRESS}")
    await switched(stage, AfterLetter.EXIT_FEEDBACK)

    # somebody whose payment fails, who is written to, looks, and leaves with words
    person = await stage.subscriber(EXPIRED, address=ADDRESS, name=NAME)
    await agrees(stage, person)
    await stage.fails(person)
    await stage.passes(days=1)
    await payment_links.look(stage.world, await stage.token())
    await payment_links.go(stage.world, await stage.token())
    signed = door.token(person)
    leaver = await door.opens(person)
    await leaver.does("answer", step="why", reason="missing_feature")
    await leaver.does("answer", step="more", words=f"My lawyer says: {' or '.join(CARDS)}")
    await leaver.leaves()
    await stage.passes(days=2)
    asked = await link(stage, AfterLetter.EXIT_FEEDBACK, "q")
    await door.client.post(f"/q/{asked}", data={"words": " and ".join(CARDS)})

    # somebody who fills a public form in, with a card number in each of its lines
    filled = {"name": f"Ada {CARDS[0]}", "email": ADDRESS, "reference": f"{CARDS[2]}"}
    await declares(door, filled | {"reason": f"important: {CARDS[1]}"})

    # keys that are refused: ours at the provider, and somebody's at our door
    await stage.key_is(stage.world.sealer.seal(REVOKED))
    await stage.passes(days=1)
    refused = "hf_test_canarynobody" + "x" * 30
    await door.asks("GET", "/v1/cases", {"Authorization": f"Bearer {refused}"})
    await stage.key_is(stage.world.sealer.seal(stage.sandbox.key))
    await stage.plays()
    tokens = {each["Authorization"].split()[1] for each in (signed, leaver.headers)}
    ours = {door.secret, door.key, told.secret, *tokens, refused}
    return ours | {stage.sandbox.key, WEBHOOK, SMS, REVOKED}


async def test_no_secret_is_in_a_row_a_line_or_a_mail(
    door: Door, told: Told, server: Server, logs: pytest.CaptureFixture[str]
) -> None:
    secrets = await every_way(door, told)

    mails = await door.stage.mails()
    links, lines = tokens_in(mails), logs.readouterr().err
    written = " ".join(f"{mail.subject} {mail.text} {mail.html}" for mail in mails)
    assert len(secrets) == 10
    assert len(links) >= 3
    assert in_rows(server, secrets) == set()
    # the provider's page leads back to ours, and its events say so
    assert {each.where for each in in_rows(server, links)} <= {"inbox.body"}
    assert [secret for secret in secrets | links if secret in lines] == []
    assert [secret for secret in secrets if secret in written] == []


async def test_no_card_number_is_in_a_row_a_line_or_a_mail(
    door: Door, told: Told, server: Server, logs: pytest.CaptureFixture[str]
) -> None:
    await every_way(door, told)

    mails = await door.stage.mails()
    texts = [logs.readouterr().err, *(f"{mail.text} {mail.html}" for mail in mails)]
    assert in_rows(server, CARDS) == set()
    assert [card for card in CARDS for text in texts if card in text] == []


async def test_an_address_is_where_it_is_needed_and_nowhere_else(
    door: Door, told: Told, server: Server, logs: pytest.CaptureFixture[str]
) -> None:
    await every_way(door, told)

    mails = await door.stage.mails()
    seen = {each.where for each in in_rows(server, {ADDRESS})}
    assert seen <= KEPT_ADDRESSES
    assert "customers.email" in seen
    assert ADDRESS not in logs.readouterr().err
    for mail in mails:
        addressed = [url for url in re.findall(r"https?://\S+", mail.text) if ADDRESS in url]
        assert addressed == []
    assert not [got for got in told.receiver.got if ADDRESS in json.dumps(got.event)]
