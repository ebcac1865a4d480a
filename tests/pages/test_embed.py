"""The banner's script: small, and cached for good under the name of its content."""

import gzip
import re

import httpx
import pytest
from fastapi import FastAPI

from app.pages.embed import CONTENT, VERSIONED, embed_router

pytestmark = pytest.mark.anyio
MOST_BYTES = 3 * 1024


async def asked_for(path: str) -> httpx.Response:
    app = FastAPI()
    app.include_router(embed_router())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example") as client:
        return await client.get(path)


def test_the_banner_weighs_at_most_three_kibibytes() -> None:
    weight = len(gzip.compress(CONTENT, mtime=0))
    print(f"banner.js: {weight} bytes gzipped")

    assert weight <= MOST_BYTES


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        (VERSIONED, "public, max-age=31536000, immutable"),
        ("/embed/banner.js", "public, max-age=300"),
        ("/embed/banner.0123456789ab.js", "public, max-age=300"),
    ],
)
async def test_the_script_is_cached_as_its_name_allows(path: str, kept: str) -> None:
    response = await asked_for(path)

    assert response.headers["cache-control"] == kept
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert response.content == CONTENT


def test_the_script_names_no_other_place_and_makes_no_html() -> None:
    source = CONTENT.decode()

    assert not re.findall(r"https?://", source)
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|eval|document\.cookie", source)
