"""This release as it stands, and the one after it: made from this one by a migration, a column, and
a kind of action that this one has never heard of."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from app.domain.actions import ActionKind
from app.embedded import Child
from tests.house.sources import ROOT
from tests.processes.site import Site

PARTS = ("app", "workers", "migrations", "email_templates", "policies")
CHANGES = (
    ("app/domain/actions.py", '    READ = "read"', '    TIDY = "tidy"\n    READ = "read"'),
    (
        "app/domain/actions.py",
        "    note: str | None = None\n",
        "    note: str | None = None\n    shelf: str | None = None\n",
    ),
    (
        "app/services/actions.py",
        "    ActionKind.READ: reads.read,",
        "    ActionKind.TIDY: reads.read,\n    ActionKind.READ: reads.read,",
    ),
)
MIGRATION = '''"""What the next release needs."""

from alembic import op

revision = "{next}"
down_revision = "{head}"


def upgrade() -> None:
    op.execute("alter table actions add column shelf text collate \\"C\\"")
    op.execute("alter table actions drop constraint actions_kind_words")
    op.execute("""
        alter table actions add constraint actions_kind_words check (kind in ({kinds}))
    """)
'''
COMMAND = '#!/bin/sh\nexec env PYTHONSAFEPATH=1 PYTHONPATH="{code}" "{python}" -m app "$@"\n'


@dataclass(frozen=True)
class Release:
    """A folder of code, and in `bin` its command `holdfast`."""

    code: Path
    bin: Path

    def worker(self, site: Site) -> Child:
        """Start a worker of this release."""
        return self._starts(site, "-m", "workers")

    def _starts(self, site: Site, *words: str) -> Child:
        # nothing is imported from where it is started; that holds for its drains as well
        environment = site.environment | {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(self.code)}
        log = site.folder / f"worker-{len(site.children)}.log"
        child = Child("worker", (sys.executable, *words), environment, log)
        child.start()
        site.children.append(child)
        return child


def this_release(folder: Path) -> Release:
    """The code of this checkout."""
    return _release(ROOT, folder)


def the_next_release(folder: Path) -> Release:
    """A changed copy of this checkout's code."""
    code = folder / "code"
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, code / part, ignore=ignored)
    for name, before, after in CHANGES:
        text = (code / name).read_text()
        assert text.count(before) == 1, f"{name} has changed: {before!r}"
        (code / name).write_text(text.replace(before, after))
    head = max(path.name[:4] for path in (code / "migrations" / "versions").glob("[0-9]*.py"))
    following = f"{int(head) + 1:04d}"
    kinds = ", ".join(f"'{kind}'" for kind in (*ActionKind, "tidy"))
    text = MIGRATION.format(next=following, head=head, kinds=kinds)
    (code / "migrations" / "versions" / f"{following}_next.py").write_text(text)
    return _release(code, folder)


def _release(code: Path, folder: Path) -> Release:
    command = folder / "bin" / "holdfast"
    command.parent.mkdir(parents=True)
    command.write_text(COMMAND.format(code=code, python=sys.executable))
    command.chmod(0o755)
    return Release(code, command.parent)
