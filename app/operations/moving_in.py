"""`holdfast import`: sessions of another product, and what the provider remembers of who left."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.domain.imported_rows import Row, of_embed
from app.domain.reasons import BY_ID
from app.operations.terminal import ACTOR, Refused, chosen_account, with_world
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.world import World
from app.services import moving_in

LARGEST = 200 * 1024 * 1024
LONGEST_CELL = 64 * 1024
SHAPES = {"plain": None, "embed": of_embed}


def run(arguments: Sequence[str]) -> int:
    """One command; its exit status: 1 where lines of a file are wrong."""
    asked = _parser().parse_args(list(arguments))
    commands = {"sessions": _sessions, "history": _history}
    return with_world(lambda world: commands[asked.command](world, asked))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast import", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sessions = commands.add_parser("sessions", help="sessions from a CSV, JSON or JSON-lines file")
    sessions.add_argument("file", type=Path)
    sessions.add_argument("--product", required=True, help="what the file comes from, one word")
    sessions.add_argument("--shape", choices=SHAPES, default="plain", help="whose columns it has")
    sessions.add_argument("--dry-run", action="store_true", help="look, count, and keep nothing")
    sessions.add_argument(
        "--reason",
        action="append",
        default=[],
        metavar="THEIRS=OURS",
        help="what a reason there is here; may be repeated",
    )
    history = commands.add_parser("history", help="ends that the provider remembers")
    for command in (sessions, history):
        command.add_argument("--account", help="not needed where there is only one")
    return parser


async def _sessions(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account)
    product = str(asked.product)
    if not product.isascii() or not product.isidentifier() or len(product) > 40:
        raise Refused("--product is one word of letters, digits and underscores")
    moved = await moving_in.import_sessions(
        world,
        account,
        _rows(asked.file, asked.shape),
        product=product,
        reasons=_reasons(asked.reason),
        dry_run=asked.dry_run,
        actor=ACTOR,
    )
    for fault in moved.wrong:
        print(f"{asked.file}:{fault.line}: {fault.column} {fault.why}", file=sys.stderr)
    if moved.wrong:
        print(f"holdfast: nothing of {moved.lines} lines was kept", file=sys.stderr)
        return 1
    done = "would be kept" if asked.dry_run else "kept"
    print(f"lines     {moved.lines}\n{done:9} {moved.new}\nknown     {moved.known}")
    print(f"churn     {moved.churn} lines of the ledger")
    return 0


async def _history(world: World, asked: argparse.Namespace) -> int:
    account = await chosen_account(world, asked.account)
    try:
        taken, ends = await moving_in.import_history(world, account)
    except (AccountRefused, ProviderRefused, ProviderUnavailable) as fault:
        raise Refused(f"the provider did not answer to the end; ask again: {fault}") from fault
    print(f"subscriptions  {taken}\nends           {ends}")
    return 0


def _reasons(told: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in told:
        theirs, sign, ours = pair.rpartition("=")
        if not sign or ours not in BY_ID:
            raise Refused(f"--reason {pair}: write THEIRS=OURS, OURS one of {', '.join(BY_ID)}")
        found[theirs] = ours
    return found


def _rows(path: Path, shape: str) -> list[tuple[int, Row]]:
    """The lines of a file with their numbers, under our columns. Raises `Refused`."""
    try:
        if path.stat().st_size > LARGEST:
            raise Refused(f"{path} is larger than {LARGEST // 1024 // 1024} MiB: split it")
        text = path.read_text("utf-8-sig")
    except OSError as fault:
        raise Refused(f"{path} cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise Refused(f"{path} is not UTF-8: byte {fault.start}") from fault
    found = list(_csv(text) if path.suffix.lower() == ".csv" else _json(text))
    turned = SHAPES[shape]
    return [(line, turned(row) if turned else row) for line, row in found]


def _csv(text: str) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise Refused(f"line {reader.line_num} has not as many cells as the heading")
            yield reader.line_num, row
    except csv.Error as fault:
        raise Refused(f"line {reader.line_num} is no CSV: {fault}") from fault


def _json(text: str) -> Iterator[tuple[int, Row]]:
    """An array of objects, numbered from 1, or an object a line."""
    if text.lstrip().startswith("["):
        yield from ((n, _object(row, n)) for n, row in enumerate(_parsed(text, 1), 1))
        return
    for line, part in enumerate(text.splitlines(), 1):
        if part.strip():
            yield line, _object(_parsed(part, line), line)


def _parsed(text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise Refused(f"line {line} is no JSON: {fault}") from fault


def _object(row: Any, line: int) -> Row:
    if not isinstance(row, dict):
        raise Refused(f"line {line} is no object")
    return row
