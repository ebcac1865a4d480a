"""What `find` finds, in memory and in PostgreSQL: comparisons, order, pages."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain.actions import Action
from app.domain.dunning import Case
from app.domain.mirror import Customer
from app.ports.store import Ask, Store
from tests.storage.builders import NOW, OURS, THEIRS, account_of, action, case, customer

pytestmark = pytest.mark.anyio


async def test_find_compares_counts_and_sorts(store: Store) -> None:
    rows = [action(str(n), hours=n, customer_id="c" if n % 2 else None) for n in range(6)]
    async with store.transaction(OURS) as tx:
        await tx.insert(rows)

        odd = await tx.find(Action, where={"customer_id": "c"}, order=["-due_at"])
        even = await tx.find(Action, where={"customer_id": None}, order=["due_at"], limit=2)
        some = await tx.find(Action, where={"subject": {"1", "4", "x"}}, order=["due_at"])
        between = await tx.find(
            Action, where={"due_at__gte": rows[2].due_at, "due_at__lte": rows[3].due_at}
        )
        nobody = await tx.find(Action, where={"subject": []})

    assert [row.subject for row in odd] == ["5", "3", "1"]
    assert [row.subject for row in even] == ["0", "2"]
    assert [row.subject for row in some] == ["1", "4"]
    assert {row.subject for row in between} == {"2", "3"}
    assert nobody == []


async def test_counting_is_finding_without_the_rows(store: Store) -> None:
    rows = [action(str(n), hours=n, customer_id="c" if n % 2 else None) for n in range(6)]
    async with store.transaction(OURS) as tx:
        await tx.insert(rows)

        asked: list[dict[str, Any]] = [
            {},
            {"customer_id": "c"},
            {"customer_id": None},
            {"subject": {"1", "4", "x"}},
            {"due_at__gte": rows[4].due_at},
            {"subject": []},
        ]
        counts = [await tx.count(Action, where=where) for where in asked]

    async with store.transaction(THEIRS) as tx:
        strangers = await tx.count(Action, where={})
    assert counts == [6, 3, 3, 2, 2, 0]
    assert strangers == 0


async def test_text_sorts_by_code_point_and_nulls_last(store: Store) -> None:
    names = ["b", "B", "é", "a b", "ab", "_", None]
    rows = [customer(f"c{n}", name=name) for n, name in enumerate(names)]
    async with store.transaction(OURS) as tx:
        await tx.save(rows)
        found = await tx.find(Customer, where={}, order=["name"])
        turned = await tx.find(Customer, where={}, order=["-name"])

    ordered = [*sorted(name for name in names if name), None]
    assert [row.name for row in found] == ordered
    assert [row.name for row in turned] == ordered[::-1]


@pytest.mark.parametrize(
    "order",
    [
        ("opened_at", "case_id"),
        ("-opened_at", "-case_id"),
        ("-opened_at", "case_id"),
        ("amount_minor", "-opened_at", "case_id"),
        (),
    ],
)
async def test_pages_put_together_are_the_whole(store: Store, order: tuple[str, ...]) -> None:
    rows = [
        case(f"case_{n}", opened_at=NOW + timedelta(days=n // 3), amount_minor=n % 2)
        for n in range(10)
    ]
    fields = [name.removeprefix("-") for name in order] or ["case_id"]
    async with store.transaction(OURS) as tx:
        await tx.insert(rows)
        whole = await tx.find(Case, where={}, order=order)
        pages: list[Case] = []
        after = None
        while page := await tx.find(Case, where={}, order=order, after=after, limit=3):
            pages += page
            after = tuple(getattr(page[-1], field) for field in fields)

    assert pages == whole
    assert len(whole) == 10


async def test_a_field_that_does_not_exist_is_an_error_and_never_sql(store: Store) -> None:
    async with store.transaction(OURS) as tx:
        with pytest.raises(KeyError):
            await tx.find(Case, where={"nme": 1})
        with pytest.raises(KeyError):
            await tx.find(Case, where={}, order=["1; drop table cases"])
        with pytest.raises(ValueError, match="document"):
            await tx.find(Case, where={"decline": {}})


async def test_questions_asked_together_have_the_answers_of_each(store: Store) -> None:
    mine, theirs = account_of(OURS), account_of(THEIRS)
    async with store.transaction(OURS, THEIRS) as tx:
        await tx.insert([customer("c1"), customer("c2", name="é")])
        await tx.insert([action("1", data={"n": [1]})])
        await tx.insert([customer("c3", of=THEIRS)])
    async with store.transaction(OURS) as tx:
        asks = (
            Ask(Customer, keys=[(mine, "c2"), (theirs, "c3"), (mine, "nobody")]),
            Ask(Case, where={"customer_id": []}),
            Ask(Action, where={"subject": ["1"], "account_id": mine}),
            Ask(Customer, keys=[]),
            Ask(Customer, where={"account_id": mine}),
        )

        answers = await tx.ask(*asks)
        alone = [
            await tx.load(ask.kind, ask.keys)
            if ask.keys is not None
            else await tx.find(ask.kind, where=ask.where)
            for ask in asks
        ]
        nothing = await tx.ask(*asks[1:2])

    assert answers == alone
    assert [len(rows) for rows in answers] == [1, 0, 1, 0, 2]
    assert nothing == [[]]
