"""Test clocks. There is one time here, the world's: a clock that is advanced takes it along."""

from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import Thing, refused
from app.providers.sandbox.params import text, whole
from app.providers.sandbox.render import page
from app.providers.sandbox.routing import PAGING, Route


def _create(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    clock = core.add(
        {
            "id": core.new_id("clock"),
            "object": "test_helpers.test_clock",
            "created": core.now,
            "deletes_after": core.now + 30 * 86_400,
            "frozen_time": given["frozen_time"],
            "name": given.get("name"),
            "status": "ready",
            "status_details": {},
        }
    )
    core.emit("test_helpers.test_clock.created", clock)
    return clock


def _get(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("test_helpers.test_clock", ids[0])


def _list(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return page(
        core, list(core.all("test_helpers.test_clock")), given, "/v1/test_helpers/test_clocks"
    )


def _advance(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    clock = core.find("test_helpers.test_clock", ids[0])
    target = given["frozen_time"]
    if target <= clock["frozen_time"]:
        raise refused("A test clock can only be advanced.", param="frozen_time")
    core.emit("test_helpers.test_clock.advancing", clock)
    former = core.change(clock, frozen_time=target)
    core.play_until(target)
    core.emit("test_helpers.test_clock.ready", clock, former)
    return clock


def _delete(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    clock = core.find("test_helpers.test_clock", ids[0])
    core.emit("test_helpers.test_clock.deleted", clock)
    core.records.remove(clock)
    return {"id": clock["id"], "object": "test_helpers.test_clock", "deleted": True}


ROUTES = (
    Route(
        "POST",
        "/v1/test_helpers/test_clocks",
        _create,
        {"frozen_time": whole, "name": text},
        needs=("frozen_time",),
    ),
    Route("GET", "/v1/test_helpers/test_clocks", _list, PAGING),
    Route("GET", "/v1/test_helpers/test_clocks/{id}", _get),
    Route("DELETE", "/v1/test_helpers/test_clocks/{id}", _delete),
    Route(
        "POST",
        "/v1/test_helpers/test_clocks/{id}/advance",
        _advance,
        {"frozen_time": whole},
        needs=("frozen_time",),
    ),
)
