"""Files that are there after a loss of power: whole, under their name, or as they were before."""

import errno
import os
import secrets
from pathlib import Path


def draft_of(path: Path, text: str) -> Path:
    """A new file beside `path` that holds `text` for certain, for its owner alone."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft


def write_durably(path: Path, text: str) -> None:
    """Put a file of mode 600 in the place of the former one, in one step."""
    draft_of(path, text).rename(path)
    settle_names(path.parent)


def settle_names(folder: Path) -> None:
    """Let what was made or renamed in a folder keep its name, whatever happens next. Some file
    systems know no such thing, and are taken as they are."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    except OSError as refused:
        if refused.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(opened)
