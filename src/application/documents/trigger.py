"""Does a message ask for documents? Contract 4.2: whole words, real references, never substrings."""

import re
from collections.abc import Sequence
from enum import Enum

from domain.words import folded, is_cjk

KEYWORDS: tuple[str, ...] = (
    *("document", "file", "uploaded", "pdf", "doc", "content", "paper", "repo", "requirement"),
    *("according to", "based on", "in the document"),
    *("文档", "文件", "上传", "资料", "材料"),
)

_REFERS = re.compile(
    r"\battached\b|\bsummar\w*|\b(?:page|chapter|section|figure|fig\.|table)s?\s*(?:no\.?\s*|number\s+)?"
    r"(?:\d+|[ivxlc]+\b)|第\s*[\d一二三四五六七八九十百]+\s*[页章节]|[图表]\s*\d+",
    re.IGNORECASE,
)
_POINTS = re.compile(r"\b(?:it|this|that|these|those|them)\b", re.IGNORECASE)
_SHORT = 12  # words: in a long message "it" refers to something in the message itself


class Trigger(Enum):
    NONE = "none"
    KEYWORD = "keyword"  # (a) the wording asks for documents
    REFERENCE = "reference"  # (b) it refers to a document of this session
    FORCED = "forced"
    FORBIDDEN = "forbidden"

    @property
    def asks(self) -> bool:
        """Documents are what the person wants: finding nothing must be said, not papered over."""
        return self in (Trigger.KEYWORD, Trigger.REFERENCE, Trigger.FORCED)


def trigger(
    message: str,
    use: bool | None,
    filenames: Sequence[str],
    keywords: Sequence[str] = KEYWORDS,
) -> Trigger:
    """`use` is the caller's own wish (None: decide). `filenames` are the indexed documents of the session."""
    if use is not None:
        return Trigger.FORCED if use else Trigger.FORBIDDEN
    text = folded(message)
    if any(_holds(text, folded(keyword)) for keyword in keywords):
        return Trigger.KEYWORD
    if filenames and (_names(text, filenames) or _REFERS.search(text) or _points(text)):
        return Trigger.REFERENCE
    return Trigger.NONE


def _holds(text: str, keyword: str) -> bool:
    if not keyword.strip():
        return False
    if is_cjk(keyword):
        return keyword in text
    inner = r"\s+".join(re.escape(part) for part in keyword.split())
    return re.search(rf"(?<![\w]){inner}s?(?![\w])", text) is not None


def _names(text: str, filenames: Sequence[str]) -> bool:
    """A file is named with its extension, or by its stem where that is a name and not just any word."""
    for filename in filenames:
        full = folded(filename)
        stem = full.rpartition(".")[0]
        telling = len(stem) >= 4 and (not stem.isalpha() or not stem.isascii() or len(stem) >= 8)
        if _stands_in(text, full) or (telling and _stands_in(text, stem)):
            return True
        spoken = re.sub(r"[-_.]+", " ", stem)
        if telling and " " in spoken and _stands_in(re.sub(r"[-_.]+", " ", text), spoken):
            return True
    return False


def _stands_in(text: str, name: str) -> bool:
    if not name:
        return False
    if any(is_cjk(character) for character in name):
        return name in text
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _points(text: str) -> bool:
    return len(text.split()) <= _SHORT and _POINTS.search(text) is not None
