"""The process that reads strangers' documents: `python -m adapters.extraction.child`.

One JSON request on standard input, one JSON answer on standard output. Standard input stays open as the
lifeline: when it closes, whoever asked is gone, and so are we.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import NoReturn

from adapters.extraction.formats import UNREADABLE, Limits, Refused, check, pages


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _confine(request["memory_mb"], request["seconds"])
    answers.write(json.dumps(_answer(request), ensure_ascii=False).encode("utf-8"))
    answers.flush()
    os._exit(0)


def _answer(request: dict[str, object]) -> dict[str, object]:
    file, extension = Path(str(request["file"])), str(request["extension"])
    limits = Limits(**request["limits"])  # type: ignore[arg-type]  # made from one by our own parent
    try:
        if request["task"] == "check":
            check(file, extension, limits)
            return {"pages": []}
        return {"pages": pages(file, extension, limits)}
    except Refused as refused:
        return {"refused": str(refused)}
    except MemoryError:
        return {"refused": UNREADABLE}


def _leave_with_parent() -> NoReturn:
    sys.stdin.buffer.read()
    os._exit(1)


def _confine(memory_mb: int, seconds: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 1024 * 1024,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
