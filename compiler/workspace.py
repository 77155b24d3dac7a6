"""Temporary directories that the next build removes when a build was killed.

The owner holds a lock on a file in its directory. The lock ends with the process, however that
ends, and with the child process that inherits it. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: the directory of a killed build stays
    fcntl = None  # type: ignore[assignment]

_PREFIX = "lgc-build-"
_LOCK = ".lock"
_UNLOCKED_AGE = 3600.0
"""Seconds after which a directory without a lock file is abandoned; a young one is being made."""


@contextmanager
def workspace() -> Iterator[tuple[Path, tuple[int, ...]]]:
    """A new directory, removed on exit, and the file descriptors to hand to a child.

    Raises OSError when it cannot be made.
    """
    remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        descriptors = () if fcntl is None else (_lock(Path(folder)),)
        try:
            yield Path(folder), descriptors
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def remove_abandoned() -> None:
    """Removes the directories whose builds are over without having removed them."""
    if fcntl is None:
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # It may be another user's, or removed by another process in the meantime.
        with suppress(OSError):
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path) -> int:
    # Locked before it gets its name, so that no process sees it unlocked while its owner lives.
    early = folder / f"{_LOCK}.new"
    descriptor = os.open(early, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.rename(early, folder / _LOCK)
    return descriptor


def _is_abandoned(folder: Path) -> bool:
    status = folder.lstat()
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return False
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return time.time() - status.st_mtime > _UNLOCKED_AGE
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
