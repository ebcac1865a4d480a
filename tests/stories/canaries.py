"""Where a canary may be seen: every row of every table, column by column, lines of logs, mails."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from app.ports.mailbox import KeptMail
from tests.databases import TABLES, Server

# Paths of letters' links; behind each comes a token that opens something.
LINKS = re.compile(r"/(?:p|u|q|b|c|r|f)/([\w-]{20,})")


@dataclass(frozen=True)
class Seen:
    """A canary, and where it was seen: `table.column`, or what kind of text."""

    canary: str
    where: str


def in_rows(server: Server, canaries: Collection[str]) -> set[Seen]:
    """Where the database holds any of these, past every row-level security."""
    database = server.database("migrated")
    found = set()
    for (table,) in server.as_admin(database, TABLES):
        for (text,) in server.as_admin(database, f"select to_jsonb(t)::text from {table} t"):
            if any(canary in text for canary in canaries):
                found |= set(_in_row(table.removeprefix("public."), json.loads(text), canaries))
    return found


def _in_row(table: str, row: dict[str, object], canaries: Collection[str]) -> Iterator[Seen]:
    for column, value in row.items():
        text = value if isinstance(value, str) else json.dumps(value)
        yield from (Seen(canary, f"{table}.{column}") for canary in canaries if canary in text)


def tokens_in(mails: Collection[KeptMail]) -> set[str]:
    """The tokens of the links in these mails."""
    return {token for mail in mails for token in LINKS.findall(f"{mail.text} {mail.html}")}
