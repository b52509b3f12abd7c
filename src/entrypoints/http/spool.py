"""Where the files of a request lie until it is decided whether they are kept."""

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

PREFIX = "vt-upload-"
FORGOTTEN_S = 3600.0


def new_file() -> IO[bytes]:
    """It has a name, and vanishes when it is closed. Raises OSError."""
    return tempfile.NamedTemporaryFile(prefix=PREFIX)


def drop_forgotten() -> None:
    """What workers left behind that were killed: nobody has written into it for an hour."""
    before = time.time() - FORGOTTEN_S
    for file in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # another worker was quicker, or it is somebody else's
            if file.lstat().st_mtime < before:
                file.unlink()
