"""Why people left, at the desk, and the deed of putting a reason right."""

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.afterwards import MendedReason
from app.domain.languages import LANGUAGES
from app.domain.merchants import Scope
from app.domain.reasons import REASONS
from tests.pages.desk import a_desk
from tests.pages.said import LEFT, ON, STAYED

pytestmark = pytest.mark.anyio
THERE = {"note_en": "The export", "note_de": "Da ist er"}


async def test_reasons_are_counted_and_one_is_put_right_once() -> None:
    front = await a_desk(LEFT, STAYED, ON)

    before = await front.browser.get("/operator/reasons")
    done = await front.presses("/operator/reasons/missing_feature/mended", **THERE)
    again = await front.presses("/operator/reasons/missing_feature/mended", **THERE)
    after = await front.browser.get("/operator/reasons")

    async with front.world.store.transaction("mer_1") as tx:
        (mended,) = await tx.find(MendedReason, where={"merchant_id": "mer_1"})
        planned = await tx.find(Action, where={"merchant_id": "mer_1"})
    assert "Something I need is missing" in before.text
    assert "2 came, 1 left, 1 stayed" in before.text
    assert (done.status_code, again.status_code) == (303, 409)
    assert mended.note == {"en": "The export", "de": "Da ist er"}
    assert ActionKind.TELL_MENDED in {action.kind for action in planned}
    assert '<span lang="en">The export</span><span lang="de">Da ist er</span>' in after.text


async def test_each_may_be_told_in_their_own_language_alone() -> None:
    front = await a_desk(LEFT, ON)

    page = await front.browser.get("/operator/reasons")
    await front.presses("/operator/reasons/missing_feature/mended", **{"note_zh-Hans": "好了"})

    async with front.world.store.transaction("mer_1") as tx:
        (mended,) = await tx.find(MendedReason, where={"merchant_id": "mer_1"})
    fields = [name for name in LANGUAGES if f'name="note_{name}" lang="{name}"' in page.text]
    assert fields == list(LANGUAGES)
    assert mended.note == {"zh-Hans": "好了"}


async def test_who_may_not_read_sessions_is_told_no_count_and_may_still_tell() -> None:
    front = await a_desk(LEFT, STAYED, ON, scopes=(Scope.MESSAGES_READ, Scope.MESSAGES_WRITE))

    page = await front.browser.get("/operator/reasons")

    assert " came, " not in page.text
    assert "Your key may not read sessions" in page.text
    assert "Something I need is missing" in page.text
    assert page.text.count("It was put right") == len(REASONS)


async def test_while_the_letter_is_off_nobody_can_be_told() -> None:
    front = await a_desk(LEFT)

    page = await front.browser.get("/operator/reasons")
    pressed = await front.presses("/operator/reasons/missing_feature/mended", **THERE)

    assert "It was put right" not in page.text
    assert "we_fixed_it" in page.text
    assert pressed.status_code == 409


@pytest.mark.parametrize(
    ("reason", "note", "status"),
    [
        ("missing_feature", "   ", 409),
        ("missing_feature", "\u202e\x00", 409),
        ("No Such", "x", 404),
        ("a" * 60, "x", 404),
    ],
)
async def test_nonsense_tells_nobody(reason: str, note: str, status: int) -> None:
    front = await a_desk(LEFT, ON)

    answer = await front.presses(f"/operator/reasons/{reason}/mended", note_en=note, note_fr=" ")

    async with front.world.store.transaction("mer_1") as tx:
        assert await tx.find(MendedReason, where={"merchant_id": "mer_1"}) == []
    assert answer.status_code == status


async def test_what_a_merchant_wrote_is_only_ever_words() -> None:
    front = await a_desk(LEFT, ON)

    await front.presses("/operator/reasons/missing_feature/mended", note_en="<script>alert(1)")
    page = await front.browser.get("/operator/reasons")

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text


async def test_a_reader_may_look_and_not_tell() -> None:
    front = await a_desk(LEFT, ON, scopes=(Scope.MESSAGES_READ, Scope.CASES_READ))

    page = await front.browser.get("/operator/reasons")
    pressed = await front.presses("/operator/reasons/missing_feature/mended", note_en="x")

    assert page.status_code == 200
    assert "It was put right" not in page.text
    assert pressed.status_code == 403
