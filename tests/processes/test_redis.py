"""A webhook's way through real processes, while its Redis comes and goes."""

import itertools
import time

import httpx
import pytest

from app.domain.dunning import Case
from app.domain.operations import InboxEvent, InboxState
from app.embedded import answers, python_child
from app.engines.processes import free_port
from app.engines.valkey import Valkey
from bench.events import TOGETHER, bodies, signature
from tests.processes.site import SECRET, a_site, an_own_redis, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def redis(tmp_path):
    with an_own_redis(tmp_path) as engines:
        yield engines


@pytest.fixture
async def site(clean_database, redis, tmp_path):
    async with a_site(clean_database, redis.redis_url, tmp_path) as site:
        yield site


async def test_a_worker_outlives_its_redis(site, redis):
    worker = site.worker()
    await site.plans("pi_before")
    await until(site.all_done)

    stop(redis)
    await site.plans("pi_meanwhile")
    await until(site.all_done)

    redis.revive()
    await site.plans("pi_after")
    await until(site.all_done)

    assert site.provider.asked == ["pi_before", "pi_meanwhile", "pi_after"]
    assert worker.process.poll() is None


async def test_a_failed_payment_becomes_a_case_while_redis_is_away(site, redis):
    stop(redis)
    port = free_port()
    api = python_child(
        "api", "-m", "app", "api", "--port", str(port), env=site.environment,
        log=site.folder / "api.log",
    )  # fmt: skip
    api.start()
    site.children.append(api)
    site.worker()
    await until(lambda: answers(f"http://127.0.0.1:{port}"))

    now = int(time.time())
    # the first customer's subscription, then the failed payment of its renewal
    events = list(itertools.islice(bodies("t", created=now), 0, TOGETHER + 1, TOGETHER))
    async with httpx.AsyncClient() as client:
        statuses = [
            (
                await client.post(
                    f"http://127.0.0.1:{port}/webhooks/stripe/{site.account.account_id}",
                    content=body,
                    headers={
                        "Stripe-Signature": signature(body, secret=SECRET.encode(), at=now).decode()
                    },
                )
            ).status_code
            for body in events
        ]
    await until(lambda: cases(site))

    assert statuses == [200, 200]
    (case,) = await cases(site)
    assert (case.invoice_id, case.amount_minor) == ("in_t0000000", 4900)
    async with site.world.store.system() as tx:
        inbox = await tx.find(InboxEvent, where={})
    assert {event.state for event in inbox} == {InboxState.HANDLED}


async def cases(site):
    async with site.world.store.transaction(site.account.merchant_id) as tx:
        return await tx.find(Case, where={})


def stop(redis) -> None:
    (valkey,) = redis.own
    assert isinstance(valkey, Valkey)
    valkey.stop()
