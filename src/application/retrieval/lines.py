"""A passage as lines that can be quoted: its sentences, and the rows of its tables. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

from application.indexing.sentences import CELLS, Stretch, is_heading, sentences

ROW_MAX = 200  # characters of a row without cells
BESIDE_MAX = 600  # characters that a line is quoted with, so that the quotes of many rows stay short
ITEMS_MAX = 20  # of an announced list
MOST = 400  # lines of a passage; more are no text
FEW = 3  # rows without cells may also be a title and a heading

_LEANS = re.compile(
    r"(?:[-*•]\s+)?(?:it|its|this|that|these|those|they|their|them|he|his|she|her|such|both|the former|the "
    r"latter)\b|(?:\w+\W+){1,8}(?:it|them)\b|[它他她这那其此]",
    re.IGNORECASE,
)
_ITEM = re.compile(r"\s*(?:[-*•◦▪·+–—]|\(?[a-zA-Z\d]{1,2}[.)])\s")
_ENDS = re.compile("[.!?…。！？:：;；][\"'”’»)\\]」』）】]*\\s*\\Z")
_ANNOUNCES = re.compile("[:：]\\Z")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence of a passage, or a row of a table in it; no heading."""

    text: str
    quote: str  # and what it says little without: the sentence before, the list behind, the head of the table
    is_row: bool = False


def lines(text: str) -> list[Line]:
    """What a passage can be quoted by, in order, at most `MOST`. `Hit.nearness` follows this order."""
    spans = [span for span in sentences(text) if any(map(str.isalnum, span.of(text)))]
    every = (line for group in _grouped(text, spans) for line in _lines(text, group))
    return list(islice(every, MOST))


def _grouped(text: str, spans: Sequence[Stretch]) -> Iterator[list[Stretch]]:
    """The rows of a table together, and all else by paragraphs of sentences."""
    group: list[Stretch] = []
    for span in spans:
        if group and not _belong_together(text, group[-1], span):
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def _belong_together(text: str, one: Stretch, other: Stretch) -> bool:
    if _may_be_row(one.of(text)) != _may_be_row(other.of(text)):
        return False
    # a line of dashes may part the head from the rows
    return not _may_be_row(one.of(text)) or "\n\n" not in text[one.end : other.start].replace(" ", "")


def _may_be_row(text: str) -> bool:
    """It has cells, or it is a short line that neither ends a sentence nor begins an item."""
    if CELLS.search(text):
        return True
    return not (
        "\n" in text
        or len(text) > ROW_MAX
        or text.startswith("#")
        or _ENDS.search(text[-12:])
        or _ITEM.match(text)
    )


def _lines(text: str, group: Sequence[Stretch]) -> Iterator[Line]:
    if table := _table([span.of(text) for span in group]):
        head, *rows = table
        if _DIGIT.search(head) or not rows:  # no head, but a row like the others
            yield Line(head, head, is_row=True)
        for row in rows:
            yield Line(row, f"{head[:BESIDE_MAX]} … {row}", is_row=True)
        return
    said = [(_flat(span.of(text)), span.of(text)) for span in group if not is_heading(span.of(text))]
    for n, (plain, _) in enumerate(said):
        if n and _LEANS.match(plain):
            yield Line(plain, f"{said[n - 1][0]} {plain}")
        elif _ANNOUNCES.search(plain):
            yield Line(plain, f"{plain} {_announced(said[n + 1 : n + 1 + ITEMS_MAX])}".rstrip())
        else:
            yield Line(plain, plain)


def _announced(following: Sequence[tuple[str, str]]) -> str:
    """The items of the list, or the one sentence."""
    items = [plain for plain, _ in takewhile(lambda one: _ITEM.match(one[1]), following)]
    return " ".join(items or [plain for plain, _ in following[:1]])[:BESIDE_MAX]


def _table(group: Sequence[str]) -> list[str]:
    """The rows, the head first; none where it is no table. Without cells to be seen, as in a PDF, one of its
    rows may read like a heading, but the last one then is the heading of what follows."""
    rows = [_flat(row) for row in group if _may_be_row(row)]
    if not rows or all(map(CELLS.search, group)):
        return rows
    if is_heading(rows[-1]):
        rows.pop()
    return rows if len(rows) >= FEW else []


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"^\s*[-*•]\s+", "", text)).strip(" |")
