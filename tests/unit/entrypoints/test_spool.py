import os
import tempfile
import time
from pathlib import Path

from entrypoints.http import spool


def test_a_file_vanishes_when_it_is_closed() -> None:
    with spool.new_file() as file:
        file.write(b"half")
        path = Path(file.name)
        assert path.is_file()
    assert not path.exists()


def a_file(prefix: str) -> Path:
    with tempfile.NamedTemporaryFile(prefix=prefix, delete=False) as file:
        return Path(file.name)


def test_only_what_is_forgotten_is_dropped() -> None:
    forgotten, recent, others = map(a_file, (spool.PREFIX, spool.PREFIX, "vt-test-"))
    long_ago = time.time() - spool.FORGOTTEN_S - 1
    try:
        for path in (forgotten, others):
            os.utime(path, (long_ago, long_ago))

        spool.drop_forgotten()

        assert [path.exists() for path in (forgotten, recent, others)] == [False, True, True]
    finally:
        for path in (forgotten, recent, others):
            path.unlink(missing_ok=True)
