"""Which mail addresses a letter can go to."""

import re

LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS = re.compile(rf"(?=.{{3,254}}\Z)({LOCAL})@({LABEL}(?:\.{LABEL})*)", re.ASCII)
# Python's parser decodes encoded words even where it was given plain text, line breaks included:
# a name with one in it could become a header of its own.
ENCODED_WORD = "=?"


def sendable(text: str) -> str | None:
    """`text` with its domain in ASCII if it is one address without a name, comment or quotes, else
    None: better no mail than one to somebody else."""
    local, at, domain = text.rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    address = f"{local}{at}{ascii_domain}"
    if ENCODED_WORD in address or not ADDRESS.fullmatch(address):
        return None
    return address
