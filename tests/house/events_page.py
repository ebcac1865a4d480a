"""`python -m tests.house.events_page` writes the catalogue into docs/events.md."""

import json

from app.domain.events import OutgoingEvent
from app.domain.events_catalogue import CATALOGUE, FIELDS, EventType
from app.domain.events_delivery import body_of
from tests.domain.events_examples import examples
from tests.house.sources import ROOT

PAGE = ROOT / "docs" / "events.md"
MARK = "## The catalogue\n"


def catalogue() -> str:
    """Every type with its meaning and an example, then every field."""
    shown = examples()
    parts = [
        "\nMade from the code, examples included: `python -m tests.house.events_page`.\n",
        *(_of(kind.value, shown[kind]) for kind in CATALOGUE),
        "## The fields of `data`\n",
        "| field | meaning |\n|---|---|",
        *(f"| `{name}` | {meaning} |" for name, meaning in FIELDS.items()),
    ]
    return MARK + "\n".join(parts) + "\n"


def _of(kind: str, event: OutgoingEvent) -> str:
    row = CATALOGUE[EventType(kind)]
    body = json.dumps(json.loads(body_of(event)), indent=2, ensure_ascii=False)
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    about = f"Version {row.version}, numbered within the {row.subject}."
    return f"### `{kind}`\n\n{row.when} {about}\n\n{lines}\n"


def main() -> None:
    head = PAGE.read_text().partition(MARK)[0]
    PAGE.write_text(head + catalogue())


if __name__ == "__main__":
    main()
