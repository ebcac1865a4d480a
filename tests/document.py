"""The document of the API as it is committed. Many tests are made from it: it is read once a
process, by the parser in C where there is one."""

from copy import deepcopy
from functools import cache
from typing import Any

import yaml

from app.openapi import PATH

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def api_document() -> dict[str, Any]:
    """The document; yours to change."""
    return deepcopy(_read())


@cache
def _read() -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(PATH.read_text(), Loader=LOADER)  # noqa: S506 - both are safe
    return document
