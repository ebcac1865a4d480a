"""F41: a bank is down, and all who renew are refused within seconds."""

import time
from pathlib import Path

import pytest

from app.domain.alerts import AlertKind
from app.domain.merchants import ProviderAccount
from app.domain.operations import Alert
from app.domain.policies import Bounds
from tests.faults.company import Part, a_company
from tests.faults.shop import Shop, a_shop
from tests.processes.site import until

pytestmark = pytest.mark.anyio
CUSTOMERS, PER_S = 600, 60.0
# The limits of a sandbox of Stripe's, of which we take four fifths; and the lease as it is shipped.
PER_S_THERE, PER_S_OF_ONE = 100, 25
OURS, WORKERS = 0.8, 2
PACE = {
    "HOLDFAST_LEASE_S": "60",
    "HOLDFAST_STRIPE_REQUESTS_PER_S": str(OURS * PER_S_THERE / WORKERS),
    "HOLDFAST_STRIPE_ENDPOINT_REQUESTS_PER_S": str(OURS * PER_S_OF_ONE / WORKERS),
}
REFUSED = (Part("does nothing", ("expired_card",)),)


async def test_a_storm_of_refusals_is_taken_in_and_floods_neither_people_nor_the_provider(
    clean_database: str, redis_url: str, tmp_path: Path
) -> None:
    # given a provider that answers 429 beyond its limits, and the shipped bounds
    company = a_company(CUSTOMERS, per_s=PER_S, parts=REFUSED)
    async with a_shop(clean_database, redis_url, tmp_path, company=company, settings=PACE) as shop:
        company.world.settle_settings(
            {"requests_per_second": PER_S_THERE, "requests_per_endpoint": PER_S_OF_ONE}
        )

        # when all are refused within ten seconds
        await until(lambda: time.time() > company.holders[-1].renews_at, 60)
        await until(company.is_quiet, 120)
        await until(lambda: _is_paused(shop), 120)

        # then each has a case, letters ended at their bound, and a person was told
        assert len(await shop.cases()) == CUSTOMERS
        assert 0 < len(shop.postman.taken) <= Bounds().mails_per_hour
        assert await _alerts(shop) >= {AlertKind.MAIL_VOLUME}

        # and the provider was asked no more than it bears
        assert company.too_many == 0
        await until(lambda: _agree(shop), 60)


async def _agree(shop: Shop) -> bool:
    """Whether both sides do; what was on its way when all was paused comes a moment later."""
    return await shop.contradictions() == {}


async def _is_paused(shop: Shop) -> bool:
    async with shop.world.store.transaction(shop.merchant.merchant_id) as tx:
        (account,) = await tx.find(ProviderAccount, where=_of(shop))
    return account.paused_reason is not None


async def _alerts(shop: Shop) -> set[str]:
    async with shop.world.store.transaction(shop.merchant.merchant_id) as tx:
        return {alert.kind for alert in await tx.find(Alert, where=_of(shop))}


def _of(shop: Shop) -> dict[str, str]:
    return {"merchant_id": shop.merchant.merchant_id}
