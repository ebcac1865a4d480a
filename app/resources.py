"""Finds the files that belong to the program but are not Python: in a checkout and in a wheel."""

from pathlib import Path

HERE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """A folder shipped with the program: `migrations`, `email_templates`, `policies`.

    In a checkout it lies beside `app/`; a wheel carries it in `app/bundled/`.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for place in (HERE / "bundled" / name, HERE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"{name} is missing: this installation of Holdfast is incomplete")
