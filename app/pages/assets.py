"""The few files a page needs besides its HTML, named after their content and so cached for good."""

import hashlib
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def _read() -> dict[str, tuple[bytes, str]]:
    found: dict[str, tuple[bytes, str]] = {}
    for path in sorted(STATIC.iterdir()):
        if path.suffix in TYPES:
            content = path.read_bytes()
            mark = hashlib.sha256(content).hexdigest()[:12]
            found[f"{path.stem}.{mark}{path.suffix}"] = (content, TYPES[path.suffix])
    return found


FILES = _read()


def asset(name: str) -> str:
    """The path of a file of `static/`, below the service's root. Raises `KeyError`."""
    stem, _, suffix = name.partition(".")
    for known in FILES:
        if known.startswith(f"{stem}.") and known.endswith(f".{suffix}"):
            return f"/assets/{known}"
    raise KeyError(name)


def assets_router() -> APIRouter:
    """`GET /assets/{name}`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/assets/{name}")
    async def serve(name: str) -> Response:
        content, kind = FILES.get(name, (b"", ""))
        if not content:
            return Response(status_code=404)
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(content, headers=headers, media_type=kind)

    return router
