"""The soak for half a minute: that it runs, and that it would tell."""

import time
from pathlib import Path
from random import Random

import pytest

from tests.faults.company import a_company
from tests.faults.shop import Shop, a_shop, unbounded
from tests.faults.soak import SHARE, soak

pytestmark = pytest.mark.anyio
CUSTOMERS = 48


async def test_a_shop_at_which_all_goes_wrong_ends_as_its_provider_has_it(
    clean_database: str, redis_url: str, tmp_path: Path
) -> None:
    # given customers whose renewals are refused, two in a second
    company = a_company(CUSTOMERS, per_s=2.0)
    async with a_shop(
        clean_database,
        redis_url,
        tmp_path,
        company=company,
        share=SHARE,
        settings=unbounded(tmp_path),
    ) as shop:
        # when commits, calls, webhooks, mails, processes and servers fail, one step in a hundred
        lasts = shop.company.holders[-1].renews_at - time.time()
        figures = await soak(shop, lasts, Random(1))

        # then both sides agree, nothing was late, and everybody was heard
        assert figures["holds"], figures
        assert sum(figures["acts"].values()) == CUSTOMERS
        assert figures["cases"]["recovered"] >= CUSTOMERS // 4
        assert figures["commits_cut"] > 0
        assert figures["letters"] > CUSTOMERS // 4

        # and it would be told where they did not
        assert await _told_of_what_is_wrong(shop) == {
            "case_unlike_invoice": 1,
            "charged_twice": 1,
            "letters_twice": 1,
            "money_unlike": 1,
        }


async def _told_of_what_is_wrong(shop: Shop) -> dict[str, int]:
    """A letter taken a second time, and a paid invoice that is none at the provider."""
    shop.postman.taken.append(shop.postman.taken[0])
    world = shop.company.world
    failed = {case.invoice_id for case in await shop.cases()}
    paid = next(i for i in world.all("invoice") if i["status"] == "paid" and i["id"] in failed)
    world.change(paid, status="open", amount_paid=0)
    return await shop.contradictions()
