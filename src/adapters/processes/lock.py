"""One server per data folder: a file lock our children share, so it is free only when all of them ended."""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

POLL = 0.1


class DataFolderBusy(Exception):
    """Another server still uses the data folder."""


@contextmanager
def exclusive(file: Path, patience: float) -> Generator[int]:
    """Hold the lock; the descriptor is for the children. Waits `patience` seconds for a predecessor that is
    just ending. Raises DataFolderBusy."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + patience
        while not _taken(descriptor):
            if time.monotonic() > deadline:
                raise DataFolderBusy
            time.sleep(POLL)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
