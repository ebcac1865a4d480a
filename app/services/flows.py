"""A merchant's cancel flows: drafts, publishing, going back. Each change with its audit line."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.compliance.law import faults_in
from app.domain.documents import Fault
from app.domain.flow_default import DEFAULT_DOCUMENT, DEFAULT_FLOW, DEPLOYMENT
from app.domain.flow_documents import InvalidFlow, flow_from, flow_of
from app.domain.flows import Flow, FlowState, FlowVersion, Leaving, choose_flow
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit

AT_MOST_NAMES = 50
AT_MOST_VERSIONS = 500  # of one name
LOCK = "cancel_flows"
WRONG_STATE = {
    FlowState.DRAFT: "a draft was never in force: publish it",
    FlowState.RETIRED: "a retired version comes back by a roll-back",
}


class UnknownFlow(LookupError):
    """The merchant has no such flow, or no such version of it."""


class FlowRefused(ValueError):
    """The flow's state does not allow this; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFile:
    """A flow: its versions, the newest first, and which of them new sessions are given."""

    name: str
    versions: tuple[FlowVersion, ...]

    @property
    def newest(self) -> FlowVersion:
        """The version made last."""
        return self.versions[0]

    @property
    def in_force(self) -> int | None:
        """The version that new sessions are given."""
        published = (row for row in self.versions if row.state is FlowState.PUBLISHED)
        return next((row.version for row in published), None)

    def version(self, number: int | None) -> FlowVersion:
        """The version of this number, the newest where none is given. Raises `UnknownFlow`."""
        for row in self.versions:
            if number in (None, row.version):
                return row
        raise UnknownFlow(f"{self.name}@{number}")


async def list_flows(world: World, merchant_id: str) -> list[FlowFile]:
    """A merchant's flows by name, the shipped one among them until it has one of that name."""
    async with world.store.transaction(merchant_id) as tx:
        rows = await tx.find(FlowVersion, where={"merchant_id": merchant_id})
    rows += _shipped(rows, merchant_id, world.clock.now())
    names = sorted({row.name for row in rows})
    return [_file(name, [row for row in rows if row.name == name]) for name in names]


async def show_flow(world: World, merchant_id: str, name: str) -> FlowFile:
    """One flow with all its versions. Raises `UnknownFlow`."""
    found = {file.name: file for file in await list_flows(world, merchant_id)}
    if name not in found:
        raise UnknownFlow(name)
    return found[name]


async def put_flow(
    world: World,
    merchant_id: str,
    name: str,
    document: Any,
    *,
    read_version: int | None,
    actor: str,
) -> FlowVersion:
    """Make a new draft version of a flow; what was there stays as it is.

    `read_version` is the newest version the caller has read, None for a new name. Safe to repeat:
    a document that says what the newest version says makes none. Raises `InvalidFlow`, and
    `FlowRefused` when somebody made another version meanwhile.
    """
    flow, now = flow_of_name(name, document), world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock(merchant_id, [LOCK])
        known = await tx.find(FlowVersion, where={"merchant_id": merchant_id})
        rows = [row for row in known if row.name == name]
        newest = max(rows, key=lambda row: row.version, default=None)
        if newest is not None and flow_of(newest).means_the_same(flow):
            return newest
        _may_be_made(known, rows, newest, read_version)
        row = FlowVersion(
            merchant_id=merchant_id,
            name=name,
            version=newest.version + 1 if newest else 1,
            document={key: value for key, value in document.items() if key != "name"},
            made_at=now,
            made_by=actor,
        )
        await tx.insert([row, _line("flow.drafted", row, None, now, actor)])
    return row


def flow_of_name(name: str, document: Any) -> Flow:
    """The flow of a document under a name, not a version yet. Raises `InvalidFlow`."""
    if isinstance(document, dict):
        if document.get("name", name) != name:
            raise InvalidFlow(Fault("name", "is not the name of the path; leave it out"))
        document = {**document, "name": name}
    return flow_from(document)


async def publish(
    world: World, merchant_id: str, name: str, version: int, *, actor: str
) -> FlowVersion:
    """Give new sessions this draft from now on; the version before it is retired. Repeated it does
    nothing more. Raises `UnknownFlow`, `FlowRefused` for a version that was retired, and
    `InvalidFlow` for one that breaks the law of a place it is shown in."""
    return await _in_force(world, merchant_id, name, version, FlowState.DRAFT, actor)


async def roll_back(
    world: World, merchant_id: str, name: str, version: int, *, actor: str
) -> FlowVersion:
    """Give new sessions a retired version again. Repeated it does nothing more. Raises as
    `publish` does, and `FlowRefused` for a draft."""
    return await _in_force(world, merchant_id, name, version, FlowState.RETIRED, actor)


async def retire(world: World, merchant_id: str, name: str, *, actor: str) -> FlowVersion:
    """Give no new session this flow any more; without any, the shipped one is given. Repeated it
    does nothing more. Raises `UnknownFlow`."""
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock(merchant_id, [LOCK])
        rows = await tx.find(FlowVersion, where={"merchant_id": merchant_id, "name": name})
        if not rows:
            raise UnknownFlow(name)
        file = _file(name, rows)
        if file.in_force is None:
            return file.newest
        return await _retired(tx, file.version(file.in_force), now, actor)


def require_lawful(flow: Flow, now: datetime) -> None:
    """Raise `InvalidFlow`, naming rule and source, where a flow breaks the law of a place."""
    broken = [
        Fault(fault.path, f"{fault.reason}: {rule.says} ({rule.id}; {rule.source})")
        for rule, fault in faults_in(flow, now.date())
    ]
    if broken:
        raise InvalidFlow(*broken)


async def flow_for(tx: Transaction, merchant_id: str, facts: Leaving) -> Flow:
    """The flow of a new session."""
    where = {"merchant_id": merchant_id, "state": FlowState.PUBLISHED}
    published = [flow_of(row) for row in await tx.find(FlowVersion, where=where)]
    own = next((flow for flow in published if flow.name == DEFAULT_FLOW.name), DEFAULT_FLOW)
    return choose_flow(published, facts, otherwise=own)


async def flow_kept(tx: Transaction, merchant_id: str, label: str) -> Flow:
    """The flow that a session keeps; the shipped one as it is now."""
    name, _, version = label.rpartition("@")
    if int(version) == DEFAULT_FLOW.version:
        return DEFAULT_FLOW
    rows = await tx.load(FlowVersion, [(merchant_id, name, int(version))])
    return flow_of(rows[0]) if rows else DEFAULT_FLOW


async def _in_force(
    world: World, merchant_id: str, name: str, version: int, state: FlowState, actor: str
) -> FlowVersion:
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock(merchant_id, [LOCK])
        rows = await tx.find(FlowVersion, where={"merchant_id": merchant_id, "name": name})
        if not rows:
            raise UnknownFlow(name)
        row = _file(name, rows).version(version)
        if row.state is FlowState.PUBLISHED:
            return row
        if row.state is not state:
            raise FlowRefused(WRONG_STATE[row.state])
        require_lawful(flow_of(row), now)
        for other in rows:
            if other.state is FlowState.PUBLISHED:
                await _retired(tx, other, now, actor)
        after = replace(
            row,
            state=FlowState.PUBLISHED,
            published_at=now,
            published_by=actor,
            retired_at=None,
        )
        await tx.save([after])
        done = "flow.published" if state is FlowState.DRAFT else "flow.rolled_back"
        await tx.insert([_line(done, after, row, now, actor)])
    return after


async def _retired(tx: Transaction, row: FlowVersion, now: datetime, actor: str) -> FlowVersion:
    after = replace(row, state=FlowState.RETIRED, retired_at=now)
    await tx.save([after])
    await tx.insert([_line("flow.retired", after, row, now, actor)])
    return after


def _line(
    action: str, row: FlowVersion, before: FlowVersion | None, now: datetime, actor: str
) -> Any:
    return audit(actor=actor, action=action, subject=row.label, at=now, after=row, before=before)


def _may_be_made(
    known: list[FlowVersion],
    rows: list[FlowVersion],
    newest: FlowVersion | None,
    read_version: int | None,
) -> None:
    if newest is None:
        if read_version is not None:
            raise FlowRefused("there is no such flow yet")
        if len({row.name for row in known}) >= AT_MOST_NAMES:
            raise FlowRefused(f"a merchant has at most {AT_MOST_NAMES} flows")
    elif read_version != newest.version:
        raise FlowRefused(f"the newest version is {newest.version}: read it and name it")
    if len(rows) >= AT_MOST_VERSIONS:
        raise FlowRefused(f"a flow has at most {AT_MOST_VERSIONS} versions")


def _shipped(rows: Iterable[FlowVersion], merchant_id: str, now: datetime) -> list[FlowVersion]:
    """The shipped flow as a version, where the merchant has none of its name in force."""
    mine = [row for row in rows if row.name == DEFAULT_FLOW.name]
    if any(row.state is FlowState.PUBLISHED for row in mine):
        return []
    return [
        FlowVersion(
            merchant_id=merchant_id,
            name=DEFAULT_FLOW.name,
            version=DEFAULT_FLOW.version,
            document=DEFAULT_DOCUMENT,
            state=FlowState.PUBLISHED,
            made_at=now,
            made_by=DEPLOYMENT,
            published_by=DEPLOYMENT,
        )
    ]


def _file(name: str, rows: Iterable[FlowVersion]) -> FlowFile:
    return FlowFile(name=name, versions=tuple(sorted(rows, key=lambda row: -row.version)))
