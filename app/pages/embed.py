"""`/embed`: what merchants put into their own pages, the banner and the cancel widget."""

import hashlib
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.domain.languages import written
from app.words.leaving import every_phrase

STATIC = Path(__file__).parent / "static"
CONTENT = (STATIC / "banner.js").read_bytes()
WIDGET = (STATIC / "holdfast.js").read_bytes()
VERSION = hashlib.sha256(CONTENT).hexdigest()[:12]
VERSIONED = f"/embed/banner.{VERSION}.js"
FOR_GOOD, FOR_A_WHILE = "public, max-age=31536000, immutable", "public, max-age=300"
JAVASCRIPT = "text/javascript; charset=utf-8"
FOR_ALL_PAGES = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


def embed_router() -> APIRouter:
    """`/embed/banner.js`, and the same under the name of its content, cached for good. A page that
    names a former version gets the present one, for a while. `/embed/v1/holdfast.js` is the cancel
    widget, beside it its words in a language; `v1` is what a merchant's page may rely on."""
    router = APIRouter(include_in_schema=False)

    @router.get("/embed/banner.js")
    async def newest() -> Response:
        return _script(FOR_A_WHILE)

    @router.get("/embed/banner.{version}.js")
    async def named(version: str) -> Response:
        return _script(FOR_GOOD if version == VERSION else FOR_A_WHILE)

    @router.get("/embed/v1/holdfast.js")
    async def widget() -> Response:
        headers = {**FOR_ALL_PAGES, "Cache-Control": FOR_A_WHILE}
        return Response(WIDGET, headers=headers, media_type=JAVASCRIPT)

    @router.get("/embed/v1/words/{tag}.json")
    async def words(tag: str) -> Response:
        headers = {**FOR_ALL_PAGES, "Cache-Control": FOR_A_WHILE}
        return JSONResponse(every_phrase(written(tag) or "en"), headers=headers)

    return router


def _script(kept: str) -> Response:
    headers = {**FOR_ALL_PAGES, "Cache-Control": kept, "Link": f'<{VERSIONED}>; rel="canonical"'}
    return Response(CONTENT, headers=headers, media_type=JAVASCRIPT)
