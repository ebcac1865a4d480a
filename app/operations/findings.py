"""What the doctor finds: well, worth knowing, or wrong with what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `todo` is what mends it; only what is wrong has one."""

    mark: str
    about: str
    text: str
    todo: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether the doctor ends with 1 because of it."""
        return self.mark == "wrong"

    def line(self) -> str:
        """As it is printed."""
        todo = f"\n       → {self.todo}" if self.todo else ""
        return f"{self.mark:<6} {self.about}: {self.text}{todo}"


def good(about: str, text: str) -> Finding:
    """All is well with it."""
    return Finding("ok", about, text)


def note(about: str, text: str) -> Finding:
    """Nothing is wrong, but an operator should know."""
    return Finding("note", about, text)


def wrong(about: str, text: str, todo: str) -> Finding:
    """It must be mended, by doing `todo`."""
    return Finding("wrong", about, text, todo)
