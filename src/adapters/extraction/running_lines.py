"""Heads and feet that run through a document. They say on every page what the first one says, would be found
instead of the text, and cut sentences in two. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count, islice

from adapters.extraction.reading import Sheet

TOGETHER = 20  # pages that are held back until it is known what runs through them
LEAST = 3  # pages
MOST = 0.5  # of these pages a line must stand on
DEEP = 2  # lines at the top, and as many at the bottom
LONGEST = 200  # characters
DIGITS = 6  # of a page number

_NUMBER = re.compile(r"\d+")
_LINE = re.compile(r"[^\n]+")

Span = tuple[int, int]


def without_running_lines(sheets: Iterable[Sheet]) -> Iterator[Sheet]:
    """A line that runs through is kept where it stands first. No page loses all that it says, and what is
    left is a stretch of what it said."""
    coming = iter(sheets)
    running: set[str] = set()
    met: set[str] = set()
    while group := list(islice(coming, TOGETHER)):
        running |= _running(group)
        for sheet in group:
            yield _stripped(sheet, running, met)


def _running(group: Sequence[Sheet]) -> set[str]:
    """What stands at the edges of most of these pages, the page's own number aside."""
    if len(group) < LEAST:
        return set()
    pages: Counter[str] = Counter()
    for sheet in group:
        spans = _lines(sheet.text)
        pages.update(set().union(*(_forms(sheet, spans[n]) for n in _edges(spans))))
    return {form for form, on in pages.items() if on >= max(LEAST, MOST * len(group))}


def _stripped(sheet: Sheet, running: set[str], met: set[str]) -> Sheet:
    """`met` are the running lines that were kept so far; it learns those of this page."""
    if not running:
        return sheet
    spans = _lines(sheet.text)
    runs = {n: _forms(sheet, spans[n]) & running for n in _edges(spans)}
    gone = {n for n, forms in runs.items() if forms & met}
    met.update(*runs.values())
    if not gone or len(gone) == len(spans):
        return sheet
    first = next(n for n in count() if n not in gone)
    last = next(n for n in count(len(spans) - 1, -1) if n not in gone)
    return replace(sheet, text=sheet.text[spans[first][0] : spans[last][1]])


def _lines(text: str) -> list[Span]:
    return [line.span() for line in _LINE.finditer(text) if not line[0].isspace()]


def _edges(spans: Sequence[Span]) -> list[int]:
    return [n for n in range(len(spans)) if n < DEEP or n >= len(spans) - DEEP]


def _forms(sheet: Sheet, span: Span) -> set[str]:
    """The line as it stands, and with its first or its last number counted from the page's own."""
    line = sheet.text[slice(*span)].strip()
    if len(line) > LONGEST or sheet.number is None:
        return set()
    numbers = list(_NUMBER.finditer(line))
    return {line, *(_relative(line, number, sheet.number) for number in numbers[:1] + numbers[-1:])}


def _relative(line: str, number: re.Match[str], page: int) -> str:
    if len(number[0]) > DIGITS:
        return line
    return f"{line[: number.start()]}\0{int(number[0]) - page}\0{line[number.end() :]}"
