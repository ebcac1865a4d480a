"""`/v1/templates`, `/v1/letterhead`, `/v1/channels`, `/v1/suppressions` and reports about mail."""

import json
from datetime import timedelta
from typing import Any

import pytest

from app.api.templates import Language, TemplateName
from app.domain.correspondence import MessageEvent, Suppression
from app.domain.languages import LANGUAGES
from app.domain.merchants import Merchant, Scope
from app.domain.messages import TEMPLATES
from app.domain.operations import AuditEntry
from tests.api.stage import NOW, Stage, where_it_is_wrong

pytestmark = pytest.mark.anyio
GOOD = {
    "subject": "{{ merchant }}: {{ amount }}",
    "heading": "Your payment",
    "body": "{{ amount }} is open until {{ last_day }}.\n\nThank you.",
}
PLACE = "/v1/templates/final_notice/en"
REPORT = {
    "id": "r1",
    "kind": "bounced",
    "recipient": "Ada@Example.com",
    "at": "2026-03-02T11:00:00Z",
    "detail": "no such box",
}


async def a_site(stage: Stage) -> tuple[Merchant, dict[str, str]]:
    merchant = await stage.merchant()
    return merchant, await stage.key(merchant)


async def audited(stage: Stage, merchant: Merchant) -> list[str]:
    async with stage.world.store.transaction(merchant.merchant_id) as tx:
        lines = await tx.find(AuditEntry, where={"merchant_id": merchant.merchant_id})
    return sorted(line.action for line in lines)


def test_the_api_names_every_letter_and_language() -> None:
    assert [name.value for name in TemplateName] == list(TEMPLATES)
    assert [language.value for language in Language] == list(LANGUAGES)


async def test_own_words_are_kept_by_version_and_can_be_withdrawn(stage: Stage) -> None:
    merchant, key = await a_site(stage)

    first = await stage.client.put(PLACE, json=GOOD, headers=key)
    same = await stage.client.put(PLACE, json=GOOD, headers=key)
    second = await stage.client.put(PLACE, json=GOOD | {"heading": "Again"}, headers=key)
    gone = await stage.client.delete(PLACE, headers=key)
    shown = (await stage.client.get(PLACE, headers=key)).json()

    versions = [answer.json()["version"] for answer in (first, same, second, gone)]
    assert versions == [1, 1, 2, 3]
    assert (shown["version"], shown["body"]) == (3, None)
    assert [row["heading"] for row in shown["versions"]] == [None, "Again", "Your payment"]
    assert (await audited(stage, merchant)).count("template.set") == 2


async def test_every_letter_in_every_language_is_listed(stage: Stage) -> None:
    _, key = await a_site(stage)

    found = (await stage.client.get("/v1/templates", headers=key)).json()["templates"]

    assert len(found) == len(TEMPLATES) * len(LANGUAGES)
    assert {row["version"] for row in found} == {0}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"body": "Please pay."}, "body.body"),
        ({"body": "{{ nobody }} {{ last_day }}"}, "body.body"),
        ({"subject": "{% for x in y %}{% endfor %}"}, "body.subject"),
        ({"heading": "{{ ''.__class__ }}"}, "body.heading"),
    ],
)
async def test_a_bad_wording_is_refused_by_part_and_reason(
    stage: Stage, change: dict[str, str], where: str
) -> None:
    _, key = await a_site(stage)

    answer = await stage.client.put(PLACE, json=GOOD | change, headers=key)

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/bad-wording"
    assert where_it_is_wrong(answer) == [where]


async def test_a_preview_keeps_nothing_and_shows_the_letterhead(stage: Stage) -> None:
    _, key = await a_site(stage)
    head = {"colour": "#FF0066", "support": "help@kelp.example", "postal_address": "1 Quay"}
    await stage.client.put("/v1/letterhead", json=head, headers=key)

    answer = await stage.client.post(f"{PLACE}/preview", json={"wording": GOOD}, headers=key)
    plain = await stage.client.post(f"{PLACE}/preview", json={}, headers=key)

    assert "Thank you." in answer.json()["text"]
    assert "help@kelp.example" in answer.json()["text"]
    assert "Last reminder" in plain.json()["subject"]
    assert (await stage.client.get(PLACE, headers=key)).json()["version"] == 0
    assert (await stage.client.get("/v1/letterhead", headers=key)).json()["colour"] == "#ff0066"


@pytest.mark.parametrize(
    "head",
    [
        {"colour": "red"},
        {"colour": "#12345"},
        {"logo_url": "http://kelp.example/l.png"},
        {"logo_url": "javascript:alert(1)"},
        {"logo_url": "https://user@kelp.example/l.png"},
        {"logo_url": 'https://kelp.example/"onload="x'},
        {"support": "Ada <ada@example.com>"},
        {"manage_url": "https:///x"},
        {"extra": "x"},
    ],
)
async def test_a_letterhead_that_could_do_harm_is_refused(
    stage: Stage, head: dict[str, str]
) -> None:
    _, key = await a_site(stage)

    answer = await stage.client.put("/v1/letterhead", json=head, headers=key)

    assert answer.status_code == 422


async def test_a_bounce_suppresses_once_and_can_be_lifted(stage: Stage) -> None:
    merchant, key = await a_site(stage)
    hook, proof = await a_hook(stage, key)

    first = await stage.client.post(hook, content=reports(REPORT), headers=proof)
    again = await stage.client.post(hook, content=reports(REPORT), headers=proof)
    listed = (await stage.client.get("/v1/suppressions", headers=key)).json()["suppressions"]
    lifted = await stage.client.post(f"/v1/suppressions/{listed[0]['id']}/lift", headers=key)
    after = (await stage.client.get("/v1/suppressions", headers=key)).json()["suppressions"]
    anew = REPORT | {"id": "r2", "kind": "complained"}
    await stage.client.post(hook, content=reports(REPORT | {"id": "r3"}, anew), headers=proof)

    assert (first.json(), again.json()) == ({"new": 1}, {"new": 0})
    assert [(row["recipient"], row["reason"]) for row in listed] == [("ada@example.com", "bounced")]
    assert lifted.json()["lifted_at"] is not None
    assert after == []
    assert {row.reason for row in await held(stage, merchant, Suppression)} == {
        "bounced",
        "complained",
    }
    assert len(await held(stage, merchant, MessageEvent)) == 3
    assert "suppression.lifted" in await audited(stage, merchant)


async def test_a_soft_bounce_is_counted_and_suppresses_nothing(stage: Stage) -> None:
    merchant, key = await a_site(stage)
    hook, proof = await a_hook(stage, key)

    await stage.client.post(hook, content=reports(REPORT | {"kind": "soft_bounced"}), headers=proof)

    assert await held(stage, merchant, Suppression) == []
    assert len(await held(stage, merchant, MessageEvent)) == 1


async def test_reports_without_proof_or_of_nobody_are_refused(stage: Stage) -> None:
    merchant, key = await a_site(stage)
    silent = f"/webhooks/mail/{merchant.merchant_id}/plain"
    before = await stage.client.post(silent, content=reports(REPORT))
    hook, proof = await a_hook(stage, key)
    wrong = {"Authorization": "Bearer guessed"}

    answers = [
        await stage.client.post(hook, content=reports(REPORT), headers=wrong),
        await stage.client.post(hook, content=reports(REPORT)),
        await stage.client.post(hook, content=b"{}", headers=proof),
        await stage.client.post(hook.replace("plain", "nobody"), content=b"{}", headers=proof),
        await stage.client.post("/webhooks/mail/mer_x/plain", content=b"{}", headers=proof),
        await stage.client.post(hook, content=b"x" * 70_000, headers=proof),
    ]

    assert before.status_code == 404
    assert [answer.status_code for answer in answers] == [400, 400, 400, 404, 404, 413]
    assert await held(stage, merchant, MessageEvent) == []


async def test_a_preview_has_a_page_that_ends_and_runs_nothing(stage: Stage) -> None:
    _, key = await a_site(stage)
    await stage.client.put(PLACE, json=GOOD, headers=key)
    made = (await stage.client.post(f"{PLACE}/preview", json={}, headers=key)).json()
    path = made["page"].removeprefix(stage.world.public_url)

    shown = await stage.client.get(path)
    letter = await stage.client.get(f"{path}/letter")
    forged = await stage.client.get("/preview/x|y|z")
    stage.moves_to(NOW + timedelta(hours=2))
    over = await stage.client.get(path)

    assert "sandbox=" in shown.text
    assert "Thank you." in letter.text
    assert letter.headers["content-security-policy"].startswith("sandbox")
    assert "script-src" not in letter.headers["content-security-policy"]
    assert [r.status_code for r in (shown, letter, forged, over)] == [200, 200, 404, 404]


async def test_suppressions_are_listed_page_by_page(stage: Stage) -> None:
    _, key = await a_site(stage)
    for n in range(3):
        body = {"recipient": f"c{n}@example.com"}
        await stage.client.post("/v1/suppressions", json=body, headers=key)

    first = (await stage.client.get("/v1/suppressions?limit=2", headers=key)).json()
    rest = await stage.client.get(
        "/v1/suppressions", params={"limit": 2, "cursor": first["next"]}, headers=key
    )

    assert len(first["suppressions"]) == 2
    assert len(rest.json()["suppressions"]) == 1
    assert rest.json()["next"] is None


async def test_another_merchants_suppression_is_not_found(stage: Stage) -> None:
    _, ours = await a_site(stage)
    _, theirs = await a_site(stage)
    body = {"recipient": "ada@example.com"}
    made = (await stage.client.post("/v1/suppressions", json=body, headers=ours)).json()

    answer = await stage.client.post(f"/v1/suppressions/{made['id']}/lift", headers=theirs)
    odd = await stage.client.post("/v1/suppressions/%00/lift", headers=theirs)

    assert (answer.status_code, odd.status_code) == (404, 404)


async def test_channels_never_show_a_secret(stage: Stage) -> None:
    merchant, key = await a_site(stage)
    given = {
        "sms_on": True,
        "sms_url": "https://sms.example.com/send",
        "sms_secret": "sms-secret-1",
        "alert_address": "ops@kelp.example",
    }

    set_to = await stage.client.put("/v1/channels", json=given, headers=key)
    shown = await stage.client.get("/v1/channels", headers=key)
    async with stage.world.store.transaction(merchant.merchant_id) as tx:
        lines = await tx.find(AuditEntry, where={"merchant_id": merchant.merchant_id})

    assert set_to.json() == shown.json()
    assert shown.json()["sms_secret_set"] is True
    assert "sms-secret-1" not in shown.text
    assert "secret_sealed" not in json.dumps([line.after for line in lines])


async def test_a_key_that_may_read_may_not_write(stage: Stage) -> None:
    merchant = await stage.merchant()
    reader = await stage.key(merchant, Scope.MESSAGES_READ)

    answers = [
        await stage.client.put(PLACE, json=GOOD, headers=reader),
        await stage.client.put("/v1/letterhead", json={}, headers=reader),
        await stage.client.put("/v1/channels", json={}, headers=reader),
        await stage.client.post("/v1/channels/report-secret", json={}, headers=reader),
    ]

    assert {answer.status_code for answer in answers} == {403}


async def a_hook(stage: Stage, key: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The path reports are posted to, and the header that proves them."""
    made = (await stage.client.post("/v1/channels/report-secret", json={}, headers=key)).json()
    path = made["plain_url"].removeprefix(stage.world.public_url)
    return path, {"Authorization": f"Bearer {made['secret']}"}


def reports(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"reports": rows}).encode()


async def held(stage: Stage, merchant: Merchant, kind: type[Any]) -> list[Any]:
    async with stage.world.store.transaction(merchant.merchant_id) as tx:
        found: list[Any] = await tx.find(kind, where={"merchant_id": merchant.merchant_id})
    return found
