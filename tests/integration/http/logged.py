"""What the process writes with LOG_LEVEL=DEBUG, read back."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from entrypoints.logs import QUIET, configure_logging


@dataclass(frozen=True, slots=True)
class Logged:
    stream: io.StringIO = field(default_factory=io.StringIO)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.split("\n") if line]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]


@contextmanager
def logged() -> Iterator[Logged]:
    """As long as the context lasts."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in QUIET}
    configure_logging("DEBUG")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    found = Logged()
    handler.setStream(found.stream)
    try:
        yield found
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, former in quiet.items():
            logging.getLogger(name).setLevel(former)
