"""The sandbox as a web application."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.providers.sandbox.control import control_routes
from app.providers.sandbox.door import Door
from app.providers.sandbox.errors import ApiError
from app.providers.sandbox.house import House, Mode
from app.providers.sandbox.pages import page_routes
from app.providers.sandbox.world import World

API = ("/v1/", "/v2/")
DEFAULT_START = 1_789_948_800
"""2026-09-21 00:00 UTC: where a stepped world begins unless told otherwise."""


def create_sandbox(
    *,
    seed: int = 1,
    start: int = DEFAULT_START,
    path: Path | None = None,
    mode: Mode = "stepped",
    clock: Callable[[], int] | None = None,
    base_url: str = "http://127.0.0.1",
) -> FastAPI:
    """A sandbox: the API under `/v1` and `/v2`, hosted pages, control under `/_sandbox`.

    Args:
        seed: decides every id and every chance.
        start: Unix seconds at which a new world begins (in `running` it is the clock's present).
        path: the file that keeps everything; None keeps it in memory.
        mode: `stepped` or `running`.
        clock: Unix seconds; needed in `running` only.
        base_url: where this application will be reached, for the links it gives out.

    The application's `state.house` is the `House`.
    """
    tells = clock or (lambda: start)
    begin = tells() if mode == "running" else start
    world = World(seed, begin, path)
    world.base_url = base_url.rstrip("/")
    house = House(world, mode=mode, clock=tells)
    # no pages of documentation: FastAPI's load their scripts from elsewhere
    app = FastAPI(title="Sandbox", lifespan=_life(house), docs_url=None, redoc_url=None)
    app.state.house = house
    app.include_router(control_routes(house))
    app.include_router(page_routes(house))
    app.add_middleware(Hall, door=Door(house))
    app.add_exception_handler(ApiError, _refuse)
    return app


class Hall:
    """ASGI middleware: what asks the API goes straight to its door. The router with its layers
    would cost four times what the door does."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith(API):
            await self._door(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _life(house: House) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        work = asyncio.create_task(house.run()) if house.mode == "running" else None
        yield
        if work is not None:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
        await house.close()

    return life


async def _refuse(_: Request, refusal: Exception) -> JSONResponse:
    if not isinstance(refusal, ApiError):
        raise refusal
    return JSONResponse({"error": refusal.error}, status_code=refusal.status)
