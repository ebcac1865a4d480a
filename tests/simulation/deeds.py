"""What happens to people in some histories: they are erased, deleted at the provider, or taken by
another merchant for its own."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from app.services import cancel_opening, case_commands, erasing, personal_data
from tests.simulation.acts import NO, Actor
from tests.simulation.stage import DAY_S


async def is_erased(actor: Actor) -> None:
    """As they asked us; the provider, who was not asked, goes on telling of them."""
    machine, person = actor.stage.machine, actor.person
    estate = person.estate
    work = partial(
        erasing.erase,
        actor.stage.house.world,
        estate.merchant_id,
        person.customer,
        account_id=estate.account_id,
        actor="operator",
    )
    for _ in range(machine.draw.choice((1, 2))):
        await actor.asks("erase", work)
        await asyncio.sleep(machine.draw.random() * machine.draw.choice((60.0, DAY_S)))
        told = {"metadata": {"known_as": person.words[1], "n": str(machine.steps)}}
        path = f"/v1/customers/{person.customer}"
        estate.bank.does(lambda: estate.bank.world.call("POST", path, told))  # noqa: B023 - at once


async def is_deleted(actor: Actor) -> None:
    """At the provider, by the merchant."""
    bank, path = actor.person.estate.bank, f"/v1/customers/{actor.person.customer}"
    bank.does(lambda: bank.world.call("DELETE", path, {}))


async def reaches_over(actor: Actor) -> None:
    """Another merchant names this person's customer, subscription and case as if they were its
    own: there is nothing of the kind."""
    stage, person = actor.stage, actor.person
    world, case = stage.house.world, actor.case()
    for other in stage.house.estates.values():
        if other is person.estate:
            continue
        wish = cancel_opening.Wish(
            merchant_id=other.merchant_id,
            account_id=person.estate.account_id,
            customer_id=person.customer,
            opened_by="test",
        )
        work: list[Callable[[], Awaitable[Any]]] = [
            partial(cancel_opening.open_session, world, wish),
            partial(
                personal_data.export,
                world,
                other.merchant_id,
                person.customer,
                account_id=person.estate.account_id,
                actor="operator",
            ),
        ]
        if case is not None:
            order = case_commands.Order(
                merchant_id=other.merchant_id,
                case_id=case.case_id,
                key=f"over-{actor.n}",
                actor="operator",
            )
            work.append(partial(case_commands.stop, world, order, text="not ours"))
        for one in work:
            done = await actor.asks("what is another's", one)
            stage.rules.require(done is NO, "I13", "a merchant reached what is another's")
