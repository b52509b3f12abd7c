"""Does a message ask for documents? Contract 4.2: whole words, real references, never substrings."""

import re
from collections.abc import Sequence
from enum import Enum

from application.retrieval.naming import named, refers
from domain.words import folded, is_cjk

KEYWORDS: tuple[str, ...] = (
    *("document", "file", "uploaded", "pdf", "doc", "content", "paper", "repo", "requirement"),
    *("according to", "based on", "in the document"),
    *("文档", "文件", "上传", "资料", "材料"),
)


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
    if filenames and (refers(message) or any(named(message, filenames))):
        return Trigger.REFERENCE
    return Trigger.NONE


def _holds(text: str, keyword: str) -> bool:
    if not keyword.strip():
        return False
    if is_cjk(keyword):
        return keyword in text
    parts = keyword.split()
    if not all(part in text for part in parts):  # far cheaper than the pattern
        return False
    inner = r"\s+".join(map(re.escape, parts))
    return re.search(rf"(?<![\w]){inner}s?(?![\w])", text) is not None
