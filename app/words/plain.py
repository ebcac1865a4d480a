"""Text from outside made harmless before a person reads it."""

import re
import unicodedata

# Characters that reorder or hide what stands beside them: bidirectional controls, zero-width
# space and joiners outside emoji, byte-order mark, soft hyphen, tags.
HIDDEN = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
BREAKS = re.compile("[\u0085\u2028\u2029\\s]+")
# What mail programs turn into something to click, or what belongs to an address or a program.
CLICKABLE = re.compile(r"[/\\@<>{}\[\]=|]|www\.|\w[.:]\w{2,}", re.IGNORECASE)
LONGEST_NAME = 60


def one_line(text: str, *, longest: int = 200) -> str:
    """`text` as one visible line of at most `longest` characters.

    Control characters, line breaks of every kind, reordering marks and lone surrogates go;
    letters, emoji and markup characters stay, since escaping is the template's work.
    """
    spaced = BREAKS.sub(" ", text)
    seen = "".join(c for c in HIDDEN.sub("", spaced) if unicodedata.category(c) not in {"Cc", "Cs"})
    line = BREAKS.sub(" ", seen).strip()
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def personal_name(name: str | None) -> str:
    """A name fit for a greeting, or an empty string.

    Whoever subscribes chooses the name and perhaps somebody else's address, so a name that could
    carry a message of its own (an address, a link, markup, more than 60 characters) is left out.
    """
    line = one_line(name or "")
    return "" if len(line) > LONGEST_NAME or CLICKABLE.search(line) else line
