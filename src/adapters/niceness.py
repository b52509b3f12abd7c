import os
import sys
from contextlib import suppress

BEHIND = 10  # steps of niceness


def put_behind(id: int) -> None:
    """A process, or on Linux a single thread, has the processor from now on when nobody else wants it."""
    if sys.platform != "win32":
        with suppress(OSError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, id, os.getpriority(os.PRIO_PROCESS, id) + BEHIND)
