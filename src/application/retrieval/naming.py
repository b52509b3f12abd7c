"""Which documents a message speaks of: by their names, or by pointing at what was brought along."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from application.ports.passages import Findable
from application.retrieval.ranking import AT_HAND, REFERRED
from domain.conversation import SessionId
from domain.document import FileId
from domain.words import folded, is_cjk

_REFERS = re.compile(
    r"\battached\b|\bsummar\w*|\b(?:page|chapter|section|figure|fig\.|table)s?\s*(?:no\.?\s*|number\s+)?"
    r"(?:\d+|[ivxlc]+\b)|第\s*[\d一二三四五六七八九十百]+\s*[页章节]|[图表]\s*\d+",
    re.IGNORECASE,
)
_POINTS = re.compile(r"\b(?:it|this|that|these|those|them)\b", re.IGNORECASE)
_SHORT = 12  # words: in a long message "it" refers to something in the message itself


class Named(IntEnum):
    """How surely a message names a file."""

    NOT = 0
    BY_STEM = 1  # `photosynthesis` may be the file of that name, or the thing
    IN_FULL = 2  # with its extension


@dataclass(frozen=True, slots=True)
class Meant:
    """The documents a question means: these alone, or these before others."""

    only: frozenset[FileId] | None = None
    first: frozenset[FileId] = frozenset()
    weight: float = 0.0  # how much before


def meant(question: str, session: SessionId | None, files: Sequence[Findable]) -> Meant:
    """Of the files within reach those that the question names, else those of the session it was asked in."""
    how = named(question, [file.name for file in files])
    by_name = {n: frozenset(file.id for file, m in zip(files, how, strict=True) if m is n) for n in Named}
    if by_name[Named.IN_FULL]:
        return Meant(only=by_name[Named.IN_FULL])
    if by_name[Named.BY_STEM]:
        return Meant(first=by_name[Named.BY_STEM], weight=REFERRED)
    here = frozenset(file.id for file in files if session is not None and file.session == session)
    return Meant(first=here, weight=REFERRED if refers(question) else AT_HAND)


def named(message: str, filenames: Sequence[str]) -> list[Named]:
    """A file is named with its extension, or by its stem where that is a name and not just any word."""
    text = folded(message)
    without_signs = spoken(text)
    return [_named(text, without_signs, folded(filename)) for filename in filenames]


def refers(message: str) -> bool:
    """Whether it refers to a document at hand: by a page, a chapter, `attached`, or a short `what is it?`"""
    text = folded(message)
    return _REFERS.search(text) is not None or (
        len(text.split()) <= _SHORT and _POINTS.search(text) is not None
    )


def _named(text: str, without_signs: str, full: str) -> Named:
    if _stands_in(text, full):
        return Named.IN_FULL
    stem = full.rpartition(".")[0]
    if len(stem) < 4 or (stem.isalpha() and stem.isascii() and len(stem) < 8):
        return Named.NOT
    name = spoken(stem)
    if _stands_in(text, stem) or (" " in name and _stands_in(without_signs, name)):
        return Named.BY_STEM
    return Named.NOT


def spoken(name: str) -> str:
    """As one says it: `library-guide` is the library guide."""
    return re.sub(r"[-_.]+", " ", name)


def _stands_in(text: str, name: str) -> bool:
    if not name or name not in text:
        return False
    if any(is_cjk(character) for character in name):
        return True
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
