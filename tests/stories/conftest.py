"""A stage for each story, in both collection modes."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.merchants import CollectionMode
from app.mail.render import TemplateRenderer
from app.pages.forms import forms_router
from app.ports.mailer import Renderer
from app.ports.world import World
from app.resources import resource
from app.services import event_endpoints
from app.storage.invariants.asking import PostgresInvariants
from app.storage.store import PostgresStore
from tests.outgoing.receiver import open_receiver
from tests.sandbox.stand import hang_up
from tests.stories.leaving import MOST_OF_ONE, Door, open_door
from tests.stories.stage import Stage, open_stage, open_world
from tests.stories.told import Told


@pytest.fixture(scope="session", autouse=True)
def _connections() -> Iterator[None]:
    yield
    hang_up()


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    """The templates, compiled once for all stories."""
    return TemplateRenderer(resource("email_templates"))


@pytest.fixture
async def world(
    clean_database: str, connected: AsyncEngine, tmp_path: Path, renderer: Renderer
) -> AsyncIterator[World]:
    async with open_world(clean_database, tmp_path) as opened:
        yield replace(
            opened,
            renderer=renderer,
            store=PostgresStore(connected),
            invariants=PostgresInvariants(connected),
        )


@pytest.fixture
async def stage(world: World, tmp_path: Path) -> AsyncIterator[Stage]:
    """A merchant whose invoices we drive."""
    async with open_stage(world, tmp_path) as opened:
        yield opened


@pytest.fixture
async def door(stage: Stage) -> AsyncIterator[Door]:
    """The api of the same merchant, as their customers and their backend reach it."""
    opened = await open_door(stage)
    async with opened.client:
        yield opened


@pytest.fixture
async def forms_door(stage: Stage) -> AsyncIterator[Door]:
    """The same with the public forms, for one sender in a minute that does not end."""
    opened = await open_door(stage)
    forms = forms_router(stage.world, most_of_one=MOST_OF_ONE, seconds=lambda: 0.0)
    opened.app.include_router(forms)
    opened.client.follow_redirects = True
    async with opened.client:
        yield opened


@pytest.fixture
async def told(stage: Stage) -> AsyncIterator[Told]:
    """The same merchant, with an endpoint that gets every event."""
    async with open_receiver() as receiver:
        endpoint, secret = await event_endpoints.create(
            stage.world,
            stage.merchant.merchant_id,
            url=receiver.url,
            description="",
            types=(),
            actor="test",
        )
        yield Told(stage, receiver, endpoint.endpoint_id, secret)


@pytest.fixture
async def watching(world: World, tmp_path: Path) -> AsyncIterator[Stage]:
    """A merchant whose provider retries; we watch and write."""
    async with open_stage(world, tmp_path, CollectionMode.OBSERVE) as opened:
        yield opened
