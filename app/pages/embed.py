"""`/embed`: the banner that merchants put into their own pages."""

import hashlib
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

SOURCE = Path(__file__).parent / "static" / "banner.js"
CONTENT = SOURCE.read_bytes()
VERSION = hashlib.sha256(CONTENT).hexdigest()[:12]
VERSIONED = f"/embed/banner.{VERSION}.js"
FOR_GOOD, FOR_A_WHILE = "public, max-age=31536000, immutable", "public, max-age=300"


def embed_router() -> APIRouter:
    """`/embed/banner.js`, and the same under the name of its content, cached for good. A page that
    names a former version gets the present one, for a while."""
    router = APIRouter(include_in_schema=False)

    @router.get("/embed/banner.js")
    async def newest() -> Response:
        return _script(FOR_A_WHILE)

    @router.get("/embed/banner.{version}.js")
    async def named(version: str) -> Response:
        return _script(FOR_GOOD if version == VERSION else FOR_A_WHILE)

    return router


def _script(kept: str) -> Response:
    headers = {
        "Cache-Control": kept,
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
        "Link": f'<{VERSIONED}>; rel="canonical"',
    }
    return Response(CONTENT, headers=headers, media_type="text/javascript; charset=utf-8")
