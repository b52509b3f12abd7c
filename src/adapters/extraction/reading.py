"""What the readers of all formats share. Runs in the extraction child only."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from domain.text import storable

TEXT_MAX = 21_000_000  # characters; a text file of 20 MB has no more, and no book as many

_VOID = re.compile(r"\s{100,}")  # no words, but it would fill a passage
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


class Why(StrEnum):
    """All that a reader can have against a document."""

    MISMATCH = "mismatch"
    UNREADABLE = "unreadable"
    TOO_LONG = "too_long"
    SCAN = "scan"


class Refused(Exception):
    """Not a document that we can read."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Limits:
    pages: int
    archive_ratio: int
    archive_mb: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page as it was read, one of `of`. `scanned`: it is a picture, and the little text on it, if any, is
    what a scanner or a library stamps on every page."""

    number: int | None
    of: int
    text: str
    scanned: bool = False

    @property
    def says_something(self) -> bool:
        return not self.scanned and bool(self.text.strip())


def worth_reading(sheets: Iterable[Sheet]) -> Iterator[Sheet]:
    """The sheets as they come. Raises Refused in the end if none of them said anything, or earlier if they
    never seem to end."""
    characters = 0
    found = scanned = False
    for sheet in sheets:
        characters += len(sheet.text)
        if characters > TEXT_MAX:
            raise Refused(Why.UNREADABLE)
        found = found or sheet.says_something
        scanned = scanned or sheet.scanned
        yield sheet
    if not found:
        raise Refused(Why.SCAN if scanned else Why.UNREADABLE)


def clean(text: str) -> str:
    """Line ends made one kind, no control characters, no deserts of blanks, nothing that a database cannot
    keep."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n\n").replace("\x0b", "\n")
    text = _CONTROL.sub(" ", text.replace("\ufeff", ""))
    return storable(_VOID.sub(lambda blanks: "\n\n" if "\n" in blanks[0] else " ", text))


def count_controls(text: str) -> int:
    return len(text) - len(_CONTROL.sub("", text))
