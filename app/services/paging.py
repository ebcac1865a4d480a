"""Much work in small transactions: a page of rows in each."""

from collections.abc import Awaitable, Callable

from app.domain.records import Key

# Does one page, behind this place; says how many rows that were, and where the next page begins.
Step = Callable[[Key | None], Awaitable[tuple[int, Key | None]]]


async def by_the_page(step: Step) -> int:
    """Do one page after the other; how many rows that were. Cut off in between, what was done
    stays done: `step` must find nothing of it when all is asked for again."""
    done, after = await step(None)
    while after is not None:
        more, after = await step(after)
        done += more
    return done
