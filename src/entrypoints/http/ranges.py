"""What part of a content a request asks for (RFC 9110: conditional requests, then ranges)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from entrypoints.http.errors import PreconditionFailed, RangeNotSatisfiable

_RANGE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*", re.IGNORECASE | re.ASCII)
_DIGITS = 18  # enough for any file


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bytes from `start` on, of a content of `size` bytes; `asked`: because a range said so."""

    start: int
    length: int
    size: int
    asked: bool = True

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"


def asked_part(headers: Mapping[str, str], size: int, etag: str) -> Part | None:
    """None for whoever has this very content already. Raises PreconditionFailed for whoever insists on
    another one, RangeNotSatisfiable. Several ranges at once are answered with the whole."""
    if (wanted := headers.get("if-match")) is not None and not names(wanted, etag, strong=True):
        raise PreconditionFailed
    if names(headers.get("if-none-match", ""), etag):
        return None
    whole = Part(0, size, size, asked=False)
    condition = headers.get("if-range")
    if condition is not None and condition.strip() != etag:
        return whole
    return _part(headers.get("range", ""), size) or whole


def names(listed: str, etag: str, *, strong: bool = False) -> bool:
    """Whether a list of tags has this one; a weak form of it counts unless `strong`."""
    tags = {tag.strip() if strong else tag.strip().removeprefix("W/") for tag in listed.split(",")}
    return bool(tags & {etag, "*"})


def _part(asked: str, size: int) -> Part | None:
    """None where it asks for nothing that we understand."""
    found = _RANGE.fullmatch(asked)
    if found is None or not any(found.groups()):
        return None
    first, last = (_number(digits) if digits else None for digits in found.groups())
    if first is None:
        length = min(last or 0, size)
        start = size - length
    else:
        if last is not None and last < first:
            return None
        start = first
        length = min(size, size if last is None else last + 1) - first
    if length <= 0:
        raise RangeNotSatisfiable(size)
    return Part(start, length, size)


def _number(digits: str) -> int:
    return int(digits.lstrip("0")[:_DIGITS] or 0)
