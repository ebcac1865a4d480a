"""What the public forms say: to leave or to withdraw without signing in."""

from pathlib import Path

from app.domain.declarations import Declaration, DeclarationKind, Given
from app.words.formats import show_minute
from app.words.phrases import Phrases
from app.words.plain import one_line

PHRASES = Phrases([Path(__file__).parent / "declaring_texts"])


def declared_rows(given: Given | Declaration, language: str) -> list[tuple[str, str]]:
    """What was filled in, each with its name, in the words of the form."""
    say = PHRASES.speaker(language, {"merchant": ""})
    facts = {
        "kind": say(f"kinds.{given.kind}"),
        "name": one_line(given.name),
        "email": one_line(given.email),
        "reference": one_line(given.reference),
        "reason": one_line(given.reason or ""),
        "wished_for": given.wished_for or "",
    }
    if given.kind is not DeclarationKind.WITHDRAWAL and not given.wished_for:
        facts["wished_for"] = say("soonest")
    return [(say(f"fields.{name}"), value) for name, value in facts.items() if value]


def receipt_rows(row: Declaration, time_zone: str) -> list[tuple[str, str]]:
    """A declaration as its declarer keeps it: with the time at which it arrived."""
    say = PHRASES.speaker(row.language, {"merchant": ""})
    at = show_minute(row.received_at, time_zone, PHRASES.locale_of(row.language))
    arrived = [
        (say("fields.received_at"), f"{at} ({time_zone})"),
        (say("fields.id"), row.declaration_id),
    ]
    return [*arrived, *declared_rows(row, row.language)]


def receipt_text(row: Declaration, time_zone: str, merchant: str, *, letter: str) -> str:
    """The same as a file to keep; `letter` is what may be said of the one that acknowledges it."""
    say = PHRASES.speaker(row.language, {"merchant": one_line(merchant)})
    rows = [f"{label}: {value}" for label, value in receipt_rows(row, time_zone)]
    counts = f"{say('done.lead')} {say(f'done.letter.{letter}')}"
    return "\n".join([one_line(merchant), say("done.heading"), "", *rows, "", counts, ""])
