"""`holdfast sbom`: what this software is made of, as CycloneDX, from its hash lock alone."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

HELP = "usage: holdfast sbom [LOCK]\n\nWrites CycloneDX JSON of requirements.lock, or of LOCK."
PACKAGE = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def run(arguments: Sequence[str]) -> int:
    """Write it to standard output; 2 where there is no such lock."""
    if set(arguments) & {"-h", "--help"} or len(arguments) > 1:
        print(HELP)
        return 0 if len(arguments) == 1 else 2
    lock = Path(arguments[0] if arguments else "requirements.lock")
    if not lock.is_file():
        print(f"holdfast: there is no {lock}", file=sys.stderr)
        return 2
    print(json.dumps(bill(lock.read_text()), indent=1))
    return 0


def bill(lock: str) -> dict[str, Any]:
    """The bill of a hash lock. The same lock gives the same bill."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "holdfast"}},
        "components": list(_components(lock)),
    }


def _components(lock: str) -> Iterator[dict[str, Any]]:
    for part in re.split(r"\n(?=[A-Za-z0-9])", lock):
        found = PACKAGE.match(part)
        if found:
            name, version = re.sub(r"[-_.]+", "-", found[1]).lower(), found[2]
            purl = f"pkg:pypi/{name}@{version}"
            yield {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": version,
                "purl": purl,
                "externalReferences": [
                    {
                        "type": "distribution",
                        "url": purl,
                        "hashes": [{"alg": "SHA-256", "content": one}],
                    }
                    for one in HASH.findall(part)
                ],
            }
