"""Markup within a line. A rule looks at one place and says how far the construct goes and what is left of it.
It looks no further than its bound, so that nothing unclosed holds back what follows."""

import html
import re
from collections.abc import Callable, Mapping

from application.speech.english import ENGLISH
from application.speech.latex import COMMANDS
from application.speech.lexicon import UNICODE
from application.speech.lookahead import Ahead, Found, Undecided
from application.speech.spoken import THING, Kind, Thing
from domain.words import CJK

# Characters within which a construct is closed, or is none.
CODE_MAX = 300
FORMULA_MAX = 300
DISPLAY_MAX = 1500
TARGET_MAX = 1000
TAG_MAX = 120
COMMENT_MAX = 1000
ARGUMENT_MAX = 80

_RUNS = {mark: re.compile(f"{re.escape(mark)}{{1,3}}") for mark in "`*_~"}
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_LETTER_NAMES = frozenset(UNICODE.values())
_LETTERS = re.compile("[A-Za-z]{0,40}")
_LABEL = re.compile(r"\^[\w-]{0,40}|[\d,;–\- ]{0,40}")
_CITATION = re.compile(r"(?:\^[\w-]{1,40}|\d{1,3}(?:\s?[,;–-]\s?\d{1,3})*)")
_SOURCE = re.compile(r"\d+|[^】]*†[^】]*")
_TARGET_END = re.compile(r"[)\n]")
_TARGET = re.compile(r"\s*(?:<[^<>]*>|[^\s<>]*)(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*))?\s*\)?")
_REFERENCE_END = re.compile(r"[\[\]\n]")
_TAG_END = re.compile(r"[<>\n]")
_TAG = re.compile(r"</?(?P<name>[A-Za-z][\w-]*)(?:\s[^<>]*)?/?>")
_AUTOLINK = re.compile(
    r"<(?:(?:https?://(?:www\.)?|mailto:)(?P<host>[^\s/?#>]+)[^\s>]*|(?P<mail>[^\s@>]+@[^\s>]+))>"
)
_ENTITY = re.compile("[#A-Za-z0-9]{0,10}")
_HOST = re.compile(r"[\w.-]{0,100}")
ADDRESS = re.compile(r"(?<![A-Za-z0-9])(?:https?://(?:www\.)?|www\.)", re.IGNORECASE)
_IN_FORMULA = re.compile(
    # what is skipped, what closes the formula, what tells that it is none
    r"\\(?:text\w*|mathrm|mbox|operatorname)\s?\{[^{}]*(?:\}|\Z)|\\."
    r"|(?P<close>(?<!\s)\$)(?!\d)"
    rf"|(?P<stop>\n[ \t\r]*\n|(?<![A-Za-z\\{{])[A-Za-z]{{3,}}[ \t]+[A-Za-z]{{3}}|(?<=\s)\$(?=\S)|[{CJK}])",
    re.DOTALL,
)
_MONEY = re.compile(r"\d[\d.,]*(?:\.\s|[ \t]+(?!mod)[A-Za-z]{2})")

Rule = Callable[[Ahead, int], Found]


def backslash(ahead: Ahead, start: int) -> Found:
    """`\\(…\\)`, `\\[…\\]`, an escaped mark, or a command of LaTeX that nobody put between dollars."""
    mark = ahead.at(start + 1)
    if mark in ("(", "["):
        end = ahead.find("\\)" if mark == "(" else "\\]", start + 2, DISPLAY_MAX)
        return _formula(end + 2, ahead.text[start + 2 : end]) if end >= 0 else Found(start + 2)
    if mark.isascii() and mark.isalpha():
        return _command(ahead, start)
    if mark.isascii() and mark.isprintable() and mark not in (" ", "\\", ""):
        return Found(start + 2, mark)
    return Found(start + 1)


def _command(ahead: Ahead, start: int) -> Found:
    end = ahead.behind(_LETTERS, start + 1)
    name = ahead.text[start + 1 : end]
    if not (name in COMMANDS or name in ENGLISH.signs or name in _LETTER_NAMES):
        return Found(start + 1, " ")  # C:\Users
    if name == "begin":
        inner_end = ahead.find("\\end{", end, DISPLAY_MAX)
        close = ahead.find("}", inner_end, ARGUMENT_MAX) if inner_end >= 0 else -1
        return _formula(close + 1, ahead.text[start : close + 1]) if close >= 0 else Found(end)
    for _ in range(3):
        if ahead.at(end) != "{" or (close := ahead.find("}", end, ARGUMENT_MAX)) < 0:
            break
        end = close + 1
    return _formula(end, ahead.text[start:end])


def _formula(to: int, latex: str) -> Found:
    return Found(to, THING, Thing(Kind.FORMULA, latex))


def code(ahead: Ahead, start: int) -> Found:
    """What is between equally many backticks."""
    begin = ahead.behind(_RUNS["`"], start)
    mark = ahead.text[start:begin]
    end = ahead.find(mark, begin, CODE_MAX)
    if end <= begin or _BLANK_LINE.search(ahead.text, begin, end):
        return Found(begin)
    return Found(end + len(mark), THING, Thing(Kind.CODE, ahead.text[begin:end]))


def emphasis(ahead: Ahead, start: int) -> Found:
    """Stars, underscores and tildes are not said, whether or not they are closed; but `2 * 3` is a product,
    `~5` is about five, and an underscore may hold a name together."""
    mark = ahead.text[start]
    end = ahead.behind(_RUNS[mark], start)
    before, after = ahead.text[start - 1], ahead.at(end)
    if end - start > 1:
        return Found(end)
    within = before.isalnum() and after.isalnum()
    product = (before.isspace() and after.isspace()) or (within and (before.isdigit() or after.isdigit()))
    kept = {"*": product, "_": within, "~": after.isdigit() and not within}[mark]
    return Found(end, mark if kept else "")


def dollar(ahead: Ahead, start: int) -> Found:
    """`$$…$$`, `$…$`, or money."""
    if ahead.at(start + 1) == "$":
        end = ahead.find("$$", start + 2, DISPLAY_MAX)
        return _formula(end + 2, ahead.text[start + 2 : end]) if end >= 0 else Found(start + 2)
    if ahead.text[start + 1 : start + 2].strip() and not _MONEY.match(ahead.text, start + 1):
        end = _formula_end(ahead, start + 1)
        if end > start + 1:
            return _formula(end + 1, ahead.text[start + 1 : end])
    return Found(start + 1, "$")


def _formula_end(ahead: Ahead, start: int) -> int:
    """Where the dollar is that closes the formula; -1 when it is none: a price, or a lone dollar."""
    stop = start + FORMULA_MAX
    for match in _IN_FORMULA.finditer(ahead.text, start, stop + 1):
        if match.end() >= stop or match["stop"] is not None:
            return -1
        if match.end() == len(ahead.text) and not ahead.last:
            raise Undecided
        if match["close"] is not None:
            return match.start()
    if len(ahead.text) <= stop and not ahead.last:
        raise Undecided
    return -1


def opening_bracket(ahead: Ahead, start: int) -> Found:
    """`[1]`, `[2, 3]` and `[^note]` are not said; of a link only the brackets are not."""
    end = ahead.behind(_LABEL, start + 1)
    if ahead.at(end) == "]" and _CITATION.fullmatch(ahead.text, start + 1, end):
        return _after_text(ahead, end)
    return Found(start + 1)


def closing_bracket(ahead: Ahead, start: int) -> Found:
    return _after_text(ahead, start)


def _after_text(ahead: Ahead, start: int) -> Found:
    """Behind `[text`: the bracket and where the link leads to."""
    following = ahead.at(start + 1)
    if following == "(":
        close = ahead.up_to(_TARGET_END, start + 2, TARGET_MAX)
        if close >= 0 and ahead.text[close] == ")" and "(" in ahead.text[start + 2 : close]:
            further = ahead.up_to(_TARGET_END, close + 1, TARGET_MAX)  # brackets within the address
            close = further if further >= 0 and " " not in ahead.text[close:further] else close
        if close >= 0 and ahead.text[close] == ")" and _TARGET.fullmatch(ahead.text, start + 2, close):
            return Found(close + 1)
    if following == "[":
        close = ahead.up_to(_REFERENCE_END, start + 2, ARGUMENT_MAX)
        if close >= 0 and ahead.text[close] == "]":
            return Found(close + 1)
    return Found(start + 1)


def source(ahead: Ahead, start: int) -> Found:
    """`【3†notes】`; other such brackets hold a title and are said."""
    close = ahead.find("】", start + 1, ARGUMENT_MAX)
    if close >= 0 and _SOURCE.fullmatch(ahead.text, start + 1, close):
        return Found(close + 1)
    return Found(start + 1, "【")


def exclamation(ahead: Ahead, start: int) -> Found:
    """Of an image its description is said."""
    return Found(start + 1, "" if ahead.at(start + 1) == "[" else "!")


def tag(ahead: Ahead, start: int) -> Found:
    """HTML is not said; `x < 3` is none."""
    following = ahead.at(start + 1)
    if following == "!":
        end = ahead.find("-->", start, COMMENT_MAX) if ahead.at(start + 2) == "-" else -1
        return Found(end + 3) if end >= 0 else Found(start + 2)
    if not (following == "/" or (following.isalpha() and following.isascii())):
        return Found(start + 1, "<")
    end = ahead.up_to(_TAG_END, start + 1, TAG_MAX)
    if end < 0 or ahead.text[end] != ">":
        return Found(start + 1, "<")
    if link := _AUTOLINK.fullmatch(ahead.text, start, end + 1):
        return Found(end + 1, THING, Thing(Kind.ADDRESS, link["host"] or link["mail"]))
    element = _TAG.fullmatch(ahead.text, start, end + 1)
    if element is None:
        return Found(start + 1, "<")
    return Found(
        end + 1, {"br": "\n", "sup": "^"}.get(element["name"].lower(), "") if following != "/" else ""
    )


def entity(ahead: Ahead, start: int) -> Found:
    """`&lt;` is what it stands for."""
    end = ahead.behind(_ENTITY, start + 1)
    if ahead.at(end) == ";":
        meant = html.unescape(ahead.text[start : end + 1])
        if len(meant) == 1:
            return Found(end + 1, meant)
    return Found(start + 1, "&")


def address(ahead: Ahead, start: int) -> Found:
    """The host of a web address; what is behind it is left to be skipped."""
    scheme = ADDRESS.match(ahead.text, start)
    begin = scheme.end() if scheme else start
    end = ahead.behind(_HOST, begin)
    host = ahead.text[begin:end].rstrip("._-")
    if not host:
        return Found(begin)
    return Found(begin + len(host), THING, Thing(Kind.ADDRESS, host))


RULES: Mapping[str, Rule] = {
    "\\": backslash,
    "`": code,
    "*": emphasis,
    "_": emphasis,
    "~": emphasis,
    "$": dollar,
    "[": opening_bracket,
    "]": closing_bracket,
    "【": source,
    "!": exclamation,
    "<": tag,
    "&": entity,
}
