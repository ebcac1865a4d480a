"""`python -m app.openapi` writes openapi.yaml: the same bytes for the same routes."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from app.main import create_app

PATH = Path("openapi.yaml")


def render() -> str:
    """The document as YAML. Needs no database; settings do not change it."""
    text: str = yaml.safe_dump(
        create_app().openapi(), sort_keys=False, allow_unicode=True, width=100
    )
    return text


def main(arguments: Sequence[str] = ()) -> int:
    """Write the document to `openapi.yaml`, or to the file named."""
    parser = argparse.ArgumentParser(prog="holdfast openapi", description="Writes openapi.yaml.")
    parser.add_argument("file", nargs="?", type=Path, default=PATH)
    file: Path = parser.parse_args(list(arguments)).file
    file.write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
