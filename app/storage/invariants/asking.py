"""Asking PostgreSQL whether an invariant holds: one short transaction of the merchant each."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import DateTime, Integer, Text, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.invariants import MOST, NAMED, Breach, Finding, Invariant, span_of
from app.storage.invariants import money, work
from app.storage.reports.reading import read

QUESTIONS: Mapping[str, str] = {**money.QUESTIONS, **work.QUESTIONS}
LATELY = frozenset(name for name, question in QUESTIONS.items() if ":since" in question)
_INSTANTS = ("since", "until", "now")


def _statement(question: str) -> TextClause:
    """Counts the rows of a question up to `most` and gives the first `named` of them."""
    named = [name for name in _INSTANTS if re.search(rf":{name}\b", question)]
    return text(f"""
        select subject, said, count(*) over () as n
        from (select q.subject, q.said from ({question}) q limit :most) found
        order by subject, said limit :named
    """).bindparams(
        bindparam("merchant", type_=Text),
        *(bindparam(name, type_=DateTime(timezone=True)) for name in named),
        *(bindparam(name, type_=Integer) for name in ("most", "named")),
    )


STATEMENTS = {name: _statement(question) for name, question in QUESTIONS.items()}


class PostgresInvariants:
    """`ports.invariants.Invariants`; reads as the merchant, may stand on a replica's engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def ask(self, merchant_id: str, invariant: Invariant, *, now: datetime) -> Finding:
        statement = STATEMENTS[invariant.name]
        bound = {
            **asdict(span_of(invariant, now)),
            "merchant": merchant_id,
            "most": MOST,
            "named": NAMED,
        }
        wanted = statement.compile().params
        rows = await read(
            self._engine, statement, {name: bound[name] for name in bound if name in wanted}
        )
        return Finding(
            invariant=invariant,
            count=rows[0]["n"] if rows else 0,
            broken_by=tuple(Breach(row["subject"], row["said"]) for row in rows),
        )
