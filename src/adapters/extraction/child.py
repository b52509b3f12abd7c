"""The process that reads strangers' documents: `python -m adapters.extraction.child`.

One request on standard input, pieces and an outcome on standard output. Standard input stays open as the
lifeline: when it closes, whoever asked is gone, and so are we.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NoReturn

from adapters.extraction.formats import check, sheets
from adapters.extraction.reading import Refused, Sheet, Why
from adapters.extraction.wire import ENCODER, REQUESTS, Done, Found, Line, PagesRead, Refusal, Request
from application.ports.extraction import Page


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between
    request = REQUESTS.decode(sys.stdin.buffer.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _confine(request.memory_mb, request.seconds)
    try:
        _read(request, answers)
        outcome: Line = Done()
    except Refused as refused:
        outcome = Refusal(refused.why)
    except MemoryError:
        outcome = Refusal(Why.UNREADABLE)
    _tell(answers, outcome)
    answers.flush()
    os._exit(0)


def _read(request: Request, answers: BinaryIO) -> None:
    file = Path(request.file)
    if request.check_only:
        check(file, request.extension, request.limits)
        return
    # Importing takes most of a child's time; a check needs nothing of this.
    from adapters.extraction.running_lines import without_running_lines
    from application.indexing.chunking import pieces

    read = without_running_lines(sheets(file, request.extension, request.limits))
    for piece in pieces(_pages(read, answers)):
        _tell(answers, Found(piece))


def _pages(found: Iterator[Sheet], answers: BinaryIO) -> Iterator[Page]:
    """The sheets as pages, told when they are done with."""
    for done, sheet in enumerate(found, 1):
        yield Page(sheet.number, sheet.text)
        _tell(answers, PagesRead(done, sheet.of))
        answers.flush()


def _tell(answers: BinaryIO, line: Line) -> None:
    answers.write(ENCODER.encode(line) + b"\n")


def _leave_with_parent() -> NoReturn:
    sys.stdin.buffer.read()
    os._exit(1)


def _confine(memory_mb: int, seconds: int) -> None:
    """No more memory and time than that, no files, no children; and the first to go when memory is short."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 1024 * 1024,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
