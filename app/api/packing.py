"""Answers that are sent packed, with gzip, to whoever takes it.

Packing tells an onlooker how well an answer packs. Where somebody else's words stand in it beside
a secret, the secret can be guessed from that, letter by letter (BREACH). So only places are packed
whose answers repeat nothing that was typed: files, the document of the API, figures asked for with
an API key, and the dashboard, whose page writes checked choices alone. Every other page stays as
it is.
"""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

PLACES = ("/assets/", "/embed/", "/operator/finance", "/v1/finance/", "/openapi.json")
SMALLEST = 1_024  # bytes; less than that fits into one packet as it is
LEVEL = 6  # the usual middle between time and size


class Packing:
    """ASGI middleware around the routes. Streams are packed piece by piece as they come."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._packed = GZipMiddleware(app, minimum_size=SMALLEST, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        packed = scope["type"] == "http" and scope["path"].startswith(PLACES)
        await (self._packed if packed else self._plain)(scope, receive, send)
