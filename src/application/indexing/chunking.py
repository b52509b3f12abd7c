"""Pages to passages: stretches of about a hundred words that overlap a little, exact to the character."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from application.indexing.sentences import Stretch, blocks, is_heading, sentences
from application.ports.extraction import Page, Piece
from domain.words import CJK

FULL = 100  # words a passage is filled up to
MOST = 110  # and may never exceed
OVERLAP = 22  # words that a passage may repeat of the one before
ENOUGH = 30  # words after which a heading begins a new passage
HEADING_MAX = 120
LONG = 12  # letters: what is longer is several words to a model, and counts so

# Thai, Lao, Tibetan, Burmese and Khmer: no blanks between words either, but several letters to a syllable.
_RUN_ON = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
_WORD = re.compile(f"[{CJK}]|[{_RUN_ON}]{{1,4}}|[^\\s{CJK}{_RUN_ON}]{{1,60}}")
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")
_GLUED = 16  # characters at most that are kept with the one before


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never cut: a sentence, or a part of one that is too long."""

    where: Stretch
    words: int
    heading: str | None


def pieces(pages: Iterable[Page]) -> Iterator[Piece]:
    """All the text in pieces, in order. The last heading is carried from page to page."""
    heading = ""
    for page in pages:
        for group in _grouped(_units(page.text)):
            titles = [unit.heading for unit in group if unit.heading is not None]
            opens_with_title = group[0].heading is not None
            shown = titles[0] if titles and (opens_with_title or not heading) else heading
            if opens_with_title:
                shown = _last_of_run(group)
            start, end = group[0].where.start, group[-1].where.end
            yield Piece(page.number, start, end, shown[:HEADING_MAX], page.text[start:end])
            heading = titles[-1] if titles else heading


def count_words(text: str) -> int:
    return sum(_weight(word) for word in _WORD.finditer(text))


def _weight(word: "re.Match[str]") -> int:
    return -(-len(word[0]) // LONG)


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
    total = count_words(sentence.of(text))
    if total <= MOST:
        yield sentence
        return
    size = -(-total // -(-total // FULL))
    start, end, held = sentence.start, sentence.start, 0
    for word in _WORD.finditer(text, sentence.start, sentence.end):
        held += _weight(word)
        if held > size:
            end = _with_marks(text, end, sentence.end)
            yield Stretch(start, end)
            start, held = sentence.end, _weight(word)
        if word.end() > end:
            start = min(start, max(word.start(), end))
            end = word.end()
    if start < sentence.end:
        yield Stretch(start, sentence.end)


def _with_marks(text: str, end: int, last: int) -> int:
    """The end, behind accents and joined signs that belong to the last character."""
    for at in range(end, min(end + _GLUED, last)):
        joined = text[at - 1] == "\u200d" and not text[at].isspace()
        if not joined and text[at] not in _JOINERS and unicodedata.category(text[at])[0] != "M":
            return at
    return last if last < end + _GLUED else end


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
