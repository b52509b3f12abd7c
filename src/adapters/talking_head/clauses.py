"""Cutting a text into pieces that are voiced one after the other: one is heard while the next is made."""

import re
from collections.abc import Iterator

FIRST = 45  # characters of the first piece, so that the voice starts early
LATER = 120
LEAST = 12  # a clause shorter than this stays with its neighbour
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[.!?…][\"'”’)])\s+|(?<=[。！？])|\n+")
_CLAUSE = re.compile(r"(?<=[,;:，；：、—–])\s*|\s+(?=\()|(?<=\))\s+")
_GAP = re.compile(r"\s+")


def clauses(text: str) -> Iterator[str]:
    """Joined by blanks they are the text. None is much longer than LATER, the first not than FIRST."""
    limit = FIRST
    for sentence in _SENTENCE.split(text):
        for piece in _within(sentence.strip(), limit):
            yield piece
            limit = LATER


def _within(sentence: str, first: int) -> Iterator[str]:
    limit = first
    parts = [part for part in _CLAUSE.split(sentence) if part]
    kept = ""
    while parts:
        part = parts.pop(0)
        if len(part) > limit and not kept:
            head, tail = _cut(part, limit)
            yield head
            limit = LATER
            if tail:
                parts.insert(0, tail)
        elif kept and len(kept) + 1 + len(part) > limit and len(kept) >= LEAST:
            yield kept
            limit, kept = LATER, ""
            parts.insert(0, part)
        elif kept and len(kept) < LEAST and len(part) > limit:
            head, tail = _cut(part, limit)
            yield f"{kept} {head}"
            limit, kept = LATER, ""
            if tail:
                parts.insert(0, tail)
        else:
            kept = f"{kept} {part}".strip()
    if kept:
        yield kept


def _cut(part: str, limit: int) -> tuple[str, str]:
    """At the last gap before the limit, else at the limit."""
    gaps = [gap.start() for gap in _GAP.finditer(part, 0, limit + 1) if gap.start() >= LEAST]
    at = gaps[-1] if gaps else limit
    return part[:at].rstrip(), part[at:].lstrip()
