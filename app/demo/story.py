"""The story as people read it: one line a thing, sorted within its instant, no ids of ours."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.text import Text

STYLES = {
    "failed": "red",
    "decision": "cyan",
    "mail": "blue",
    "customer": "magenta",
    "recovered": "bold green",
    "exhausted": "bold red",
    "stopped": "yellow",
    "parked": "yellow",
    "on hold": "yellow",
}
# Types of the timeline that the story tells, and by which word.
TOLD = {
    "opened": "failed",
    "declined": "failed",
    "action_required": "failed",
    "decision": "decision",
    "recovered": "recovered",
    "exhausted": "exhausted",
    "stopped": "stopped",
    "parked": "parked",
    "given_back": "stopped",
    "on_hold": "on hold",
    "hold_lifted": "on hold",
}


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One thing that happened to one subscriber."""

    at: datetime
    who: str
    order: int
    word: str
    text: str


class Story:
    """Prints lines as they come, each instant sorted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._day: str = ""

    def tell(self, lines: Iterable[Line]) -> None:
        """Print the lines of one step."""
        for line in sorted(lines):
            day = f"{line.at:%a %d %b %Y}"
            if day != self._day:
                self._day = day
                self._console.print(Text(f"\n{day}", style="bold"))
            words = Text(f"  {line.at:%H:%M}  {line.who}  ")
            words.append(f"{line.word:<9}", style=STYLES.get(line.word, ""))
            words.append(f" {line.text}")
            self._console.print(words, soft_wrap=True)
