"""The dashboard of the whole service, and somebody who reads it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.config import Settings
from app.domain.merchants import Scope
from app.main import create_app
from app.services.api_keys import create_key
from tests.pages.desk import a_browser, signs_in
from tests.reports.builders import LATER, MERCHANT

PAGE = "/operator/finance"
SPAN = {"from": "2026-01-01", "to": "2026-03-31"}


@pytest.fixture
async def app(clean_database: str, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The whole service, its clock standing at `LATER`."""
    clock = tmp_path / "clock"
    clock.write_text(LATER.isoformat())
    app = create_app(Settings(database_url=clean_database, clock_file=clock, state_dir=tmp_path))
    async with app.router.lifespan_context(app):
        yield app


async def reader(app: FastAPI, *scopes: Scope) -> httpx.AsyncClient:
    """Somebody of the merchant who is signed in."""
    _, secret = await create_key(
        app.state.world, merchant_id=MERCHANT, name="books", scopes=scopes, actor="test"
    )
    client = a_browser(app, app.state.world.public_url)
    await signs_in(client, secret)
    return client


def section(page: httpx.Response, key: str) -> str:
    """One sheet of a page."""
    found = re.search(rf'<section [^>]*"sheet-{key}">.*?</section>', page.text, re.S)
    return found[0] if found else ""


def table(page: httpx.Response, key: str) -> list[list[str]]:
    """The cells of a sheet's table, row by row, the headings first."""
    rows = re.findall(r"<tr>(.*?)</tr>", section(page, key))
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in rows]
