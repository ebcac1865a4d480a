"""Whose rows a transaction sees: the first statement of each, and of each change of mind."""

from collections.abc import Collection

APP, SYSTEM = "holdfast_app", "holdfast_system"
ENTER = "select set_config('role', $1, true), set_config('holdfast.merchants', $2, true)"


def merchants_list(merchants: Collection[str]) -> str:
    """The setting that row-level security reads. Raises `ValueError` for an id with a comma."""
    for merchant in merchants:
        if not merchant or "," in merchant:
            raise ValueError(f"{merchant!r} is no merchant id")
    return ",".join(sorted(set(merchants)))
