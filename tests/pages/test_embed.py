"""What merchants embed: the banner's script and the cancel widget's, small and cached as named."""

import gzip
import re

import httpx
import pytest
from fastapi import FastAPI

from app.domain.languages import LANGUAGES
from app.pages.embed import CONTENT, VERSIONED, WIDGET, embed_router
from app.words.leaving import every_phrase

pytestmark = pytest.mark.anyio
MOST_BYTES = 3 * 1024
MOST_OF_THE_WIDGET = 6 * 1024


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


def test_the_cancel_widget_weighs_at_most_six_kibibytes() -> None:
    weight = len(gzip.compress(WIDGET, mtime=0))
    print(f"holdfast.js: {weight} bytes gzipped")

    assert weight <= MOST_OF_THE_WIDGET


@pytest.mark.parametrize("path", ["/embed/v1/holdfast.js", "/embed/v1/words/de.json"])
async def test_the_widget_and_its_words_are_for_every_page_and_cached_a_while(path: str) -> None:
    response = await asked_for(path)

    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, max-age=300"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize(
    ("tag", "language"), [("de-AT", "de"), ("zh-CN", "zh-Hans"), ("ar", "en"), ("%00", "en")]
)
async def test_words_come_in_the_nearest_language(tag: str, language: str) -> None:
    assert (await asked_for(f"/embed/v1/words/{tag}.json")).json() == every_phrase(language)


def test_what_the_widget_says_without_the_service_is_what_it_says_with_it() -> None:
    source = WIDGET.decode()

    for language in LANGUAGES:
        words = every_phrase(language)
        row = f'{language[:2]}: ["{words["trouble.heading"]}", "{words["trouble.again"]}"]'
        assert row in source


def test_every_word_that_the_widget_asks_for_is_there_in_every_language() -> None:
    asked = set(re.findall(r"\bw(?:ords)?\??(?:\.(\w+)|\[\"([\w.]+)\"\])", WIDGET.decode()))
    keys = {one or other for one, other in asked}

    assert len(keys) > 10
    for language in LANGUAGES:
        assert keys - every_phrase(language).keys() == set()


@pytest.mark.parametrize("script", [CONTENT, WIDGET], ids=["banner", "widget"])
def test_the_script_names_no_other_place_and_makes_no_html(script: bytes) -> None:
    source = script.decode()

    assert not re.findall(r"https?://", source)
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|eval|document\.cookie", source)
