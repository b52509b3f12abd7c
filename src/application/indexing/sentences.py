"""Where sentences and paragraphs of extracted text begin and end. Pure, exact to the character."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from domain.words import CJK

# An end mark with its closing quotes and brackets; a Latin one counts only before a blank or the end. A row
# of a million dots is looked at once: hence the look behind, and `++`.
_END = re.compile("(?<![.!?…])[.!?…]++[\"'”’»)\\]]*+(?=\\s|$)|[。！？｡]++[”’」』）】]*+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"“])(?:(?:[A-Za-z]\.)+|(?:e\.g|i\.e|etc|vs|cf|al|approx|ca|fig|figs|eq|no|nos|vol|ch|sec|"
    r"pp?|dr|mr|mrs|ms|prof|st|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|bzw|z\.b|usw|nr|abs|inc|ltd|"
    r"dept|univ)\.)\Z",
    re.IGNORECASE,
)
# `hall C. The test` ends a sentence, `John F. Kennedy` does not.
_LONE_CAPITAL = re.compile(r"(?:\A|[^\w.])[A-Z]\.\Z")
_OPENER = re.compile(
    r"(?:the|an?|it|this|that|these|those|they|he|she|we|in|on|at|for|if|when|but|there)\b", re.IGNORECASE
)
_LIST_NUMBER = re.compile(r"\s*(?:[(\[]?\d{1,3}|[ivxlc]{1,5}|[a-zA-Z])[.)]\Z")
_BLOCK_START = re.compile(r"[#>|•◦▪·]|[*+\-–—]\s|\d{1,3}[.)]\s+[^\W\d_a-z]|\(?[a-zA-Z\d]{1,2}\)\s")
_NUMBERED = re.compile(r"\d{1,3}(?:\.\d{1,3}){0,3}\.?\s+[^\W\d_a-z]")
_ENDS_SENTENCE = re.compile("[.!?…。！？｡:：;；][\"'”’»)\\]」』）】]*\\s*\\Z")
_CJK_START = re.compile(f"[{CJK}]")
CELLS = re.compile(r"[|\t]")
_BLANK_BEHIND_CJK = re.compile(f"[{CJK}] ")
_PROSE = re.compile("[，。；：？！]")
_TITLE_NUMBER = re.compile(
    r"\A(?:(?:chapter|section|part|unit|lecture|week|appendix)\s+)?"
    r"(?:\d{1,3}(?:\.\d{1,3}){0,3}|[IVXLC]{1,5})[.:]?\s+|\A第[\d一二三四五六七八九十百]+[章节課课讲]\s*",
    re.IGNORECASE,
)
_FURNITURE = re.compile(r"(?:.{0,70}\W)?(?:page|seite|p\.)\s*\d+(?:\s*(?:of|/)\s*\d+)?\W*\Z", re.IGNORECASE)
_BLANKS = re.compile(r"\s*")
TITLE_MAX, FURNITURE_MAX = 90, 200  # characters
_SPREAD = 0.8  # of the line width: letters are not equally wide
_NARROW = 40  # characters: no column of text is narrower, so the rows of a small table are no wrapped lines


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters `start` to `end` of a text."""

    start: int
    end: int

    def of(self, text: str) -> str:
        return text[self.start : self.end]


def sentences(text: str) -> list[Stretch]:
    """The sentences in order, without the blanks around them; together they hold every other character."""
    return [sentence for block in blocks(text) for sentence in _sentences_of(text, block)]


def blocks(text: str) -> list[Stretch]:
    """Paragraphs, headings, list items and table rows. A line break is only a wrapped line, unless a blank
    line follows, a list or heading mark stands behind it, or the next word would still have fitted."""
    lines = list(_lines(text))
    width = max((line.end - line.start for line in lines), default=0)
    found: list[Stretch] = []
    open_from: int | None = None
    for index, line in enumerate(lines):
        if line.start == line.end:
            continue
        if open_from is None:
            open_from = line.start
        following = lines[index + 1] if index + 1 < len(lines) else None
        if following is None or following.start == following.end or _breaks(text, line, following, width):
            found.append(Stretch(open_from, line.end))
            open_from = None
    return found


def is_heading(text: str) -> bool:
    """Whether a block reads like a heading (or is the page's own heading): marked as one, or one short line
    without an end mark and - its own number aside - without digits and colons, which tell of dates, rows and
    entries."""
    if text.startswith("#") or (len(text) <= FURNITURE_MAX and _FURNITURE.fullmatch(text)):
        return True
    if "\n" in text or len(text) > TITLE_MAX or _ENDS_SENTENCE.search(text[-12:]):
        return False
    title = _TITLE_NUMBER.sub("", text)
    letters = [c for c in title if c.isalpha()]
    if not letters:
        return False
    if re.search(r"[\d|\t:：]", title):
        return False
    if _CJK_START.match(letters[0]):
        return len(title) <= 30 and not re.search("[，、,]", title)
    numbered = len(title) < len(text)
    return (
        title[0].isupper()
        and len(title.split()) <= (14 if numbered else 10)
        and (numbered or "," not in title)
    )


def _lines(text: str) -> Iterator[Stretch]:
    at = 0
    for raw in re.split(r"(?<=\n)", text):
        body = raw.strip()
        start = at + (len(raw) - len(raw.lstrip())) if body else at
        yield Stretch(start, start + len(body))
        at += len(raw)


def _breaks(text: str, line: Stretch, following: Stretch, width: int) -> bool:
    here, there = line.of(text), following.of(text)
    if _BLOCK_START.match(there) or here.startswith("#"):
        return True
    if _is_row(here) and _is_row(there):
        return True
    if _NUMBERED.match(there) and _ENDS_SENTENCE.search(here[-12:]):
        return True
    next_word = there.split(None, 1)[0]
    if _CJK_START.match(there):
        next_word = there[0]
    if not there[0].islower():
        width = max(width, _NARROW // 2 if _CJK_START.search(here) else _NARROW)  # they are twice as wide
    return len(here) + 1 + len(next_word) <= _SPREAD * width


def _is_row(line: str) -> bool:
    """Something parts its cells: in Chinese blanks may, which prose does not have."""
    if CELLS.search(line):
        return True
    return len(_BLANK_BEHIND_CJK.findall(line)) > 1 and not _PROSE.search(line)


def _sentences_of(text: str, block: Stretch) -> Iterator[Stretch]:
    start = block.start
    body = block.of(text)
    for end in _END.finditer(body):
        stop = block.start + end.end()
        if _goes_on(body, end, start - block.start):
            continue
        yield Stretch(start, stop)
        start = _after_blanks(text, stop)
    if start < block.end:
        yield Stretch(start, block.end)


def _goes_on(body: str, end: re.Match[str], start: int) -> bool:
    """Whether this full stop belongs to an abbreviation, an ordinal or a list number."""
    if not end[0].startswith(".") or len(end[0]) > 1:
        return False
    so_far = body[max(start, end.end() - 24) : end.end()]
    if end.end() - start == len(so_far) and _LIST_NUMBER.fullmatch(so_far):
        return True
    rest = _after_blanks(body, end.end())
    if body[rest : rest + 1].islower():
        return True
    if rest == len(body) or not _ABBREVIATION.search(so_far):
        return False
    return not (_LONE_CAPITAL.search(so_far) and _OPENER.match(body, rest))


def _after_blanks(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at
