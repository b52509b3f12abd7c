"""What the styles of a Word document make of a paragraph: heading, list item, line of contents."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from docx.oxml.ns import qn

Element = Any  # of lxml, which has no types

INHERITED = 12  # styles that one may build upon; more is a circle
LEVELS = 6  # of headings in Markdown

_VALUE = qn("w:val")
_HEADING_NAME = re.compile(r"heading ([1-9])", re.IGNORECASE)


class Styles:
    def __init__(self, root: Element | None) -> None:
        styles = [] if root is None else root.iterfind(qn("w:style"))
        self._by_id: dict[str, Element] = {style.get(qn("w:styleId")): style for style in styles}

    def is_contents(self, paragraph: Element) -> bool:
        """Whether it only repeats a heading, in a table of contents."""
        return any(_name(style).startswith("toc ") for style in self._of(paragraph))

    def heading_level(self, paragraph: Element) -> int:
        """1 to 6, or 0 for what is no heading."""
        styles = self._of(paragraph)
        level = _number(self._first(paragraph, styles, "w:outlineLvl"), -1) + 1
        for style in styles:
            if level == 0 and (named := _HEADING_NAME.fullmatch(_name(style))):
                level = int(named[1])
            if _name(style) == "title":
                level = 1
        return min(level, LEVELS) if 1 <= level <= 9 else 0

    def list_of(self, paragraph: Element) -> tuple[str, int]:
        """Its list and its level in it, 0 the outermost."""
        styles = self._of(paragraph)
        list_id = self._first(paragraph, styles, "w:numPr/w:numId")
        return list_id or "", _number(self._first(paragraph, styles, "w:numPr/w:ilvl"), 0)

    def _of(self, paragraph: Element) -> list[Element]:
        """Its style, and those that this one builds upon."""
        found: list[Element] = []
        id = _value(paragraph, "w:pPr/w:pStyle")
        while id in self._by_id and len(found) < INHERITED:
            found.append(self._by_id[id])
            id = _value(found[-1], "w:basedOn")
        return found

    def _first(self, paragraph: Element, styles: list[Element], property: str) -> str | None:
        values = (_value(element, f"w:pPr/{property}") for element in (paragraph, *styles))
        return next((value for value in values if value is not None), None)


@dataclass(slots=True)
class _Level:
    format: str
    next: int


@dataclass(slots=True)
class _List:
    levels: dict[int, _Level] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)


class Lists:
    """Counts the items of numbered lists as they come."""

    def __init__(self, root: Element | None) -> None:
        self._lists: dict[str, _List] = {}
        if root is None:
            return
        kinds = {kind.get(qn("w:abstractNumId")): kind for kind in root.iterfind(qn("w:abstractNum"))}
        for number in root.iterfind(qn("w:num")):
            kind = kinds.get(_value(number, "w:abstractNumId"))
            if kind is not None:
                self._lists[number.get(qn("w:numId"))] = _read(kind)

    def mark(self, list_id: str, level: int) -> str:
        """What stands before the next item of that list: `-`, `2.`, `b.`; nothing for what is in no list."""
        known = self._lists.get(list_id)
        if known is None:
            return ""
        here = known.levels.get(level)
        if here is None:
            return "-"
        number = here.next
        here.next += 1
        for deeper, below in known.levels.items():
            if deeper > level:
                below.next = known.starts[deeper]
        return _shown(here.format, number)


def _read(kind: Element) -> _List:
    found = _List()
    for level in kind.iterfind(qn("w:lvl")):
        depth = _number(level.get(qn("w:ilvl")), 0)
        found.starts[depth] = _number(_value(level, "w:start"), 1)
        found.levels[depth] = _Level(_value(level, "w:numFmt") or "decimal", found.starts[depth])
    return found


def _shown(format: str, number: int) -> str:
    if format == "decimal":
        return f"{number}."
    if format in ("lowerLetter", "upperLetter") and 1 <= number <= 26:
        letter = chr(ord("a") + number - 1)
        return f"{letter if format == 'lowerLetter' else letter.upper()}."
    return "-"


def _value(element: Element, path: str) -> str | None:
    """The `w:val` of what is there."""
    found = element.find(_qualified(path))
    return None if found is None else found.get(_VALUE)


@cache
def _qualified(path: str) -> str:
    return "/".join(qn(step) for step in path.split("/"))


def _name(style: Element) -> str:
    return (_value(style, "w:name") or "").lower()


def _number(value: str | None, default: int) -> int:
    """Any number that Word itself would write."""
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 6 else default
