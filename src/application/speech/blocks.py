"""Markup at the beginning of a line."""

import re
from dataclasses import dataclass
from enum import Enum

from application.speech.lookahead import Ahead

INFO_MAX = 80  # characters behind a code fence
LABEL_MAX = 60
LINE_MAX = 200

_MARKS = re.compile(rf"[-*_+= \t\r]{{0,{LINE_MAX}}}")
_RULE = re.compile(r"(?:(?:-[ \t]*){2,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|=+[ \t]*)\r?")
_SEPARATORS = re.compile(rf"[|:\- \t\r]{{0,{LINE_MAX}}}")
_HASHES = re.compile("#{1,7}")
_DIGITS = re.compile(r"\d{1,4}")
_FENCES = {mark: re.compile(f"{mark}{{1,80}}") for mark in "`~"}
_LABEL_END = re.compile(r"[\]\n]")
_INFO_END = re.compile("\n")
_LANGUAGE = re.compile(r"[A-Za-z][A-Za-z0-9+#.-]{0,20}")
_TASK = re.compile(r"\[[ xX]\][ \t]")


class Opens(Enum):
    """What begins there."""

    HEADING = "heading"
    ITEM = "item"
    ROW = "row"
    QUOTE = "quote"
    FENCE = "fence"
    SILENT = "silent"  # a line of which nothing is said


@dataclass(frozen=True, slots=True)
class Opening:
    """The mark ends at `to`. `text`: the number of an item, the fence, the language of a block of code."""

    what: Opens
    to: int
    text: str = ""
    language: str = ""


def opening(ahead: Ahead, start: int) -> Opening | None:
    """The mark of a block at the first visible character of a line; None for prose."""
    mark = ahead.at(start)
    if mark == ">":
        return Opening(Opens.QUOTE, start + 1)
    if mark == "#":
        return _heading(ahead, start)
    if mark in ("`", "~"):
        return _fence(ahead, start)
    if mark in ("-", "*", "_", "=", "+"):
        return _rule_or_item(ahead, start)
    if mark in ("•", "◦", "▪", "‣", "–"):
        return _item(ahead, start) if ahead.at(start + 1).isspace() else None
    if mark in ("|", ":"):
        return _row(ahead, start)
    if mark == "[":
        return _definition(ahead, start)
    return _numbered(ahead, start) if mark.isdecimal() else None


def _heading(ahead: Ahead, start: int) -> Opening | None:
    end = ahead.behind(_HASHES, start)
    return (
        Opening(Opens.HEADING, end) if end - start <= 6 and ahead.at(end) in (" ", "\t", "\n", "") else None
    )


def _fence(ahead: Ahead, start: int) -> Opening | None:
    end = ahead.behind(_FENCES[ahead.text[start]], start)
    if end - start < 3:
        return None
    stop = ahead.up_to(_INFO_END, end, INFO_MAX)
    info = ahead.text[end : stop if stop >= 0 else end + INFO_MAX]
    if "`" in info:
        return None
    language = _LANGUAGE.match(info.strip(" {."))
    return Opening(Opens.FENCE, end, ahead.text[start:end], language[0] if language else "")


def _rule_or_item(ahead: Ahead, start: int) -> Opening | None:
    end = ahead.behind(_MARKS, start)
    if ahead.at(end) in ("|", ":") and (separated := _separated(ahead, start)):
        return Opening(Opens.SILENT, separated)
    if ahead.at(end) in ("\n", "") and _RULE.fullmatch(ahead.text, start, end):
        return Opening(Opens.SILENT, end)
    if ahead.text[start] in "-*+" and ahead.at(start + 1) in (" ", "\t"):
        return _item(ahead, start)
    return None


def _item(ahead: Ahead, start: int) -> Opening:
    if ahead.at(start + 2) == "[" and ahead.at(start + 5) and _TASK.match(ahead.text, start + 2):
        return Opening(Opens.ITEM, start + 6)
    return Opening(Opens.ITEM, start + 1)


def _numbered(ahead: Ahead, start: int) -> Opening | None:
    end = ahead.behind(_DIGITS, start)
    if end - start > 3 or ahead.at(end) not in (".", ")") or ahead.at(end + 1) not in (" ", "\t"):
        return None
    return Opening(Opens.ITEM, end + 1, f"{ahead.text[start:end]}.")


def _row(ahead: Ahead, start: int) -> Opening | None:
    if end := _separated(ahead, start):
        return Opening(Opens.SILENT, end)
    return Opening(Opens.ROW, start + 1) if ahead.text[start] == "|" else None


def _separated(ahead: Ahead, start: int) -> int | None:
    """The end of the line between the head of a table and its body; None when it is not that."""
    end = ahead.behind(_SEPARATORS, start)
    line = ahead.text[start:end]
    return end if ahead.at(end) in ("\n", "") and "-" in line and "|" in line else None


def _definition(ahead: Ahead, start: int) -> Opening | None:
    """`[label]: address` is not said, of `[^note]: text` the text is."""
    end = ahead.up_to(_LABEL_END, start, LABEL_MAX)
    if end < 0 or ahead.text[end] != "]" or ahead.at(end + 1) != ":":
        return None
    return Opening(Opens.ITEM if ahead.text[start + 1] == "^" else Opens.SILENT, end + 2)
