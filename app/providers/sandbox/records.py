"""Every object of the world by id, what is due when, and the one file all of it is written to.

A change replaces whole values of an object and never reaches into them, so that an old value held
elsewhere (in an event, in the undo log) stays what it was.
"""

import heapq
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from app.providers.sandbox.errors import Thing

HIDDEN = "sandbox"
"""Key under which an object carries what only the sandbox may see."""

SCHEMA = """
create table if not exists things (
  seq integer primary key, id text not null unique, kind text not null, body text not null);
create table if not exists counters (name text primary key, n integer not null) without rowid;
create table if not exists facts (name text primary key, body text not null) without rowid;
"""

Due = tuple[int, str, str]
"""Instant, object id, action: the order in which the world plays what is due."""


class Records:
    """Objects, counters and facts in memory, and what changed since the last `commit`.

    `rollback` undoes the objects but not the counters: an id or a declined try is never used
    twice, even if the request that used it came to nothing.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.things: dict[str, Thing] = {}
        self.kinds: dict[str, dict[str, None]] = {}
        self.owned: dict[tuple[str, str], dict[str, None]] = {}
        self.counters: dict[str, int] = {}
        self.facts: dict[str, Any] = {}
        self._heap: list[Due] = []
        self._undo: dict[str, Thing | None] = {}
        self._counted: set[str] = set()
        self._stated: set[str] = set()
        self._file = self._open(path) if path is not None else None

    def _open(self, path: Path) -> sqlite3.Connection:
        file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        file.execute("pragma journal_mode=wal")
        file.execute("pragma synchronous=normal")
        file.executescript(SCHEMA)
        for (body,) in file.execute("select body from things order by seq"):
            self._place(json.loads(body))
        self.counters = dict(file.execute("select name, n from counters"))
        self.facts = {n: json.loads(b) for n, b in file.execute("select name, body from facts")}
        return file

    def _place(self, thing: Thing) -> None:
        self.things[thing["id"]] = thing
        self.kinds.setdefault(thing["object"], {})[thing["id"]] = None
        owner = _owner(thing)
        if owner is not None:
            self.owned.setdefault((thing["object"], owner), {})[thing["id"]] = None
        self._await(thing)

    def _await(self, thing: Thing) -> None:
        for action, instant in thing.get(HIDDEN, {}).get("due", {}).items():
            heapq.heappush(self._heap, (instant, thing["id"], action))

    def _displace(self, thing: Thing) -> None:
        del self.things[thing["id"]]
        del self.kinds[thing["object"]][thing["id"]]
        owner = _owner(thing)
        if owner is not None:
            self.owned.get((thing["object"], owner), {}).pop(thing["id"], None)

    def add(self, thing: Thing) -> Thing:
        """Keep a new object."""
        self._undo.setdefault(thing["id"], None)
        self._place(thing)
        return thing

    def remove(self, thing: Thing) -> None:
        """Forget an object for good."""
        self._undo.setdefault(thing["id"], dict(thing))
        self._displace(thing)

    def change(self, thing: Thing, fields: Thing) -> Thing:
        """Set fields; returns the former values of those that differ."""
        former = {n: thing.get(n) for n, value in fields.items() if thing.get(n) != value}
        if former:
            self._undo.setdefault(thing["id"], dict(thing))
            moves = "customer" in former
            if moves:
                self._displace(thing)
            thing.update({name: fields[name] for name in former})
            if moves:
                self._place(thing)
        return former

    def schedule(self, thing: Thing, due: dict[str, int | None]) -> None:
        """Set or clear (None) when actions of an object are due."""
        hidden = thing.get(HIDDEN, {})
        merged = {**hidden.get("due", {}), **due}
        kept = {action: instant for action, instant in merged.items() if instant is not None}
        self.change(thing, {HIDDEN: {**hidden, "due": kept}})
        for action in due:
            if action in kept:
                heapq.heappush(self._heap, (kept[action], thing["id"], action))

    def next_due(self) -> Due | None:
        """The earliest action that still stands; stale entries are dropped on the way."""
        while self._heap:
            instant, ident, action = self._heap[0]
            thing = self.things.get(ident)
            if thing and thing.get(HIDDEN, {}).get("due", {}).get(action) == instant:
                return self._heap[0]
            heapq.heappop(self._heap)
        return None

    def of(self, kind: str, owner: str | None = None) -> Iterator[Thing]:
        """Objects of a kind (of one customer), oldest first; safe against changes meanwhile."""
        ids = self.kinds.get(kind, {}) if owner is None else self.owned.get((kind, owner), {})
        return iter([self.things[ident] for ident in ids])

    def newest(self, kind: str) -> Iterator[Thing]:
        """Objects of a kind, newest first; not safe against changes meanwhile."""
        return (self.things[ident] for ident in reversed(self.kinds.get(kind, {})))

    def count(self, name: str) -> int:
        """The next number under a name, beginning with 1."""
        self._counted.add(name)
        self.counters[name] = self.counters.get(name, 0) + 1
        return self.counters[name]

    def forget_count(self, name: str) -> None:
        """Begin a count anew."""
        self.counters[name] = 0
        self._counted.add(name)

    def state(self, name: str, value: Any) -> None:
        """Keep a fact, such as what time it is."""
        self.facts[name] = value
        self._stated.add(name)

    def rollback(self) -> None:
        """Undo every change to objects since the last commit."""
        for ident, former in self._undo.items():
            now = self.things.get(ident)
            if now is not None and former is not None and _owner(now) == _owner(former):
                now.clear()
                now.update(former)
                self._await(now)
            else:
                if now is not None:
                    self._displace(now)
                if former is not None:
                    self._place(former)
        self._undo.clear()

    def commit(self) -> None:
        """Write what changed; afterwards nothing of it can be lost by a killed process."""
        if self._file is not None and (self._undo or self._counted or self._stated):
            self._file.execute("begin")
            self._write(self._file)
            self._file.execute("commit")
        self._undo.clear()
        self._counted.clear()
        self._stated.clear()

    def _write(self, file: sqlite3.Connection) -> None:
        gone = [(ident,) for ident in self._undo if ident not in self.things]
        kept = [self.things[ident] for ident in self._undo if ident in self.things]
        file.executemany("delete from things where id = ?", gone)
        file.executemany(
            "insert into things (id, kind, body) values (?, ?, ?)"
            " on conflict (id) do update set body = excluded.body",
            [(thing["id"], thing["object"], _json(thing)) for thing in kept],
        )
        file.executemany(
            "insert or replace into counters values (?, ?)",
            [(name, self.counters[name]) for name in self._counted],
        )
        file.executemany(
            "insert or replace into facts values (?, ?)",
            [(name, _json(self.facts[name])) for name in self._stated],
        )

    def close(self) -> None:
        """Commit and let go of the file."""
        self.commit()
        if self._file is not None:
            self._file.close()


def _owner(thing: Thing) -> str | None:
    owner = thing.get("customer")
    return owner if isinstance(owner, str) else None


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
