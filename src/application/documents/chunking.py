"""Pages to passages: stretches of about a hundred words that overlap a little, exact to the character."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from application.documents.sentences import Stretch, blocks, is_heading, sentences
from application.ports.extraction import Page
from domain.words import CJK

FULL = 100  # words a passage is filled up to
MOST = 110  # and may never exceed
OVERLAP = 22  # words that a passage may repeat of the one before
ENOUGH = 30  # words after which a heading begins a new passage
HEADING_MAX = 120

_WORD = re.compile(f"[{CJK}]|[^\\s{CJK}]{{1,60}}")  # no blanks in CJK: a character counts as a word


@dataclass(frozen=True, slots=True)
class Piece:
    """`text` is characters `start` to `end` of its page; `heading` the last heading before or in it."""

    page: int | None
    start: int
    end: int
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never cut: a sentence, or a part of one that is too long."""

    where: Stretch
    words: int
    heading: str | None


def pieces(pages: Sequence[Page]) -> list[Piece]:
    """All the text in pieces, in order. The last heading is carried from page to page."""
    found: list[Piece] = []
    heading = ""
    for page in pages:
        for group in _grouped(_units(page.text)):
            titles = [unit.heading for unit in group if unit.heading is not None]
            opens_with_title = group[0].heading is not None
            shown = titles[0] if titles and (opens_with_title or not heading) else heading
            if opens_with_title:
                shown = _last_of_run(group)
            start, end = group[0].where.start, group[-1].where.end
            found.append(Piece(page.number, start, end, shown[:HEADING_MAX], page.text[start:end]))
            heading = titles[-1] if titles else heading
    return found


def count_words(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))


def _last_of_run(group: Sequence[_Unit]) -> str:
    """Of several headings in a row the one nearest to the text."""
    nearest = ""
    for unit in group:
        if unit.heading is None:
            break
        nearest = unit.heading
    return nearest


def _units(text: str) -> Iterator[_Unit]:
    headings = {
        block.start: block.of(text).strip("# \t") for block in blocks(text) if is_heading(block.of(text))
    }
    for sentence in sentences(text):
        for part in _parts(text, sentence):
            yield _Unit(part, count_words(part.of(text)), headings.get(part.start))


def _parts(text: str, sentence: Stretch) -> Iterator[Stretch]:
    """The sentence, or its equal parts where it alone would overfill a passage."""
    spans = [match.span() for match in _WORD.finditer(text, sentence.start, sentence.end)]
    if len(spans) <= MOST:
        yield sentence
        return
    size = -(-len(spans) // -(-len(spans) // FULL))
    for first in range(0, len(spans), size):
        yield Stretch(spans[first][0], spans[min(first + size, len(spans)) - 1][1])


def _grouped(units: Iterator[_Unit]) -> Iterator[list[_Unit]]:
    group: list[_Unit] = []
    held = 0
    for unit in units:
        overfull = held + unit.words > (MOST if held < FULL - OVERLAP else FULL)
        new_section = unit.heading is not None and held >= ENOUGH
        if group and (overfull or new_section):
            yield group
            group = [] if unit.heading is not None else _tail(group, MOST - unit.words)
            held = sum(kept.words for kept in group)
        group.append(unit)
        held += unit.words
    if group:
        yield group


def _tail(group: Sequence[_Unit], room: int) -> list[_Unit]:
    """The last sentences of a passage that fit into the overlap; a heading is not repeated."""
    kept: list[_Unit] = []
    left = min(OVERLAP, room)
    for unit in reversed(group[1:]):
        if unit.heading is not None or unit.words > left:
            break
        kept.insert(0, unit)
        left -= unit.words
    return kept
