"""Whose rows a transaction sees: the first statement of each, and of each change of mind."""

from collections.abc import Collection

APP, SYSTEM = "holdfast_app", "holdfast_system"
ENTER = "select set_config('role', $1, true), set_config('holdfast.merchants', $2, true)"


def entering(role: str, merchants: Collection[str]) -> str:
    """The statement that takes a role and the rows of these merchants until the transaction ends.
    It carries its values, so that it can travel together with `begin`. Raises `ValueError` for an
    id with a comma, or with what SQL could take for anything but text."""
    listed = merchants_list(merchants)
    if {"'", "\\"} & {*role, *listed} or not f"{role}{listed}".isprintable():
        raise ValueError(f"{listed!r} are no merchant ids")
    return (
        f"select set_config('role', '{role}', true),"
        f" set_config('holdfast.merchants', '{listed}', true)"
    )


def merchants_list(merchants: Collection[str]) -> str:
    """The setting that row-level security reads. Raises `ValueError` for an id with a comma."""
    for merchant in merchants:
        if not merchant or "," in merchant:
            raise ValueError(f"{merchant!r} is no merchant id")
    return ",".join(sorted(set(merchants)))


def merchants_set(merchants: Collection[str]) -> frozenset[str]:
    """The same as a set. Raises `ValueError` for an id with a comma."""
    merchants_list(merchants)
    return frozenset(merchants)
