"""Mathematics that stands in a sentence without any marks: `E = mc^2`, `n-1`, `O(n log n)`."""

import re
from typing import NamedTuple

from application.speech.latex import FUNCTIONS, LETTERED

_TOKEN = re.compile(r"[A-Za-z0-9α-ωΑ-Ω+\-−*/=^_<>≤≥≠≈×·÷√∞²³¹⁰⁴-⁹⁺⁻ⁿ₀-₉().,|!{}']{2,60}")
_CALL = re.compile(
    r"[fghFGHOPETΘΩφψ]'{0,2}\((?:[^()\s\ufffc]|\([^()\s\ufffc]{0,20}\)){1,30}(?:\s[^()\s\ufffc]{1,20}){0,4}\)"
)
_STRONG = re.compile(
    r"(?<=.)[=^×÷≤≥≠](?=.)|√.|[\w)][²³¹⁰⁴-⁹⁺⁻ⁿ]|(?<=[\w)])[+*<>](?=[\w(])|(?<![A-Za-z])[a-z][₀-₉]"
)
_PLAIN = re.compile(r"[a-z][-−]\d+|[A-Za-z]_\w|\d+[nyz]|\d+/[a-z]|\d+(?:\.\d+)?[πθ]\w?")
_LETTERS = re.compile("[A-Za-z]+")
_BEHIND = ".,;:!?'\""
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_UNITS = re.compile(r"\d+(?:\.\d+)?[²³]?")


class Formula(NamedTuple):
    latex: str
    to: int


def as_formula(text: str, start: int) -> Formula | None:
    """The formula that begins there, up to the next blank; None when it is a word, a number or a code."""
    call = _CALL.match(text, start)
    if call and call[0][0] in LETTERED | set("ΘΩφψ") and _single(call[0]):
        after = _TOKEN.match(text, call.end())
        if after is None or not after[0].startswith("="):
            return Formula(_latex(call[0]), call.end())
    match = _TOKEN.match(text, start)
    if match is None:
        return None
    token = match[0].rstrip(_BEHIND)
    while token.endswith(")") and token.count(")") > token.count("("):
        token = token[:-1].rstrip(_BEHIND)
    end = start + len(token)
    if text[end : end + 1].isalnum() or not (_STRONG.search(token) or _PLAIN.fullmatch(token)):
        return None
    return Formula(_latex(token), end) if _single(token) else None


def _single(token: str) -> bool:
    """Whether all its words are variables or functions."""
    short = 3 if re.search(r"[=^²³]", token) else 1
    return all(
        len(word) == 1 or word in FUNCTIONS or word == "log" or (len(word) <= short and word.islower())
        for word in _LETTERS.findall(token)
    )


def _latex(token: str) -> str:
    token = _RAISED.sub(lambda run: f"^{{{run[0].translate(_SUPERSCRIPTS)}}}", token)
    token = _LOWERED.sub(lambda run: f"_{{{run[0].translate(_SUBSCRIPTS)}}}", token)
    token = re.sub(
        r"\^\(([^()]*)\)|\^([-−]?\d+(?:\.\d+)?)", lambda power: f"^{{{power[1] or power[2]}}}", token
    )
    token = re.sub(r"√(\d+|\w)", r"\\sqrt{\1}", token)
    return re.sub(
        r"[A-Za-z]+",
        lambda word: f"\\{word[0]} " if len(word[0]) > 1 and word[0] in FUNCTIONS | {"log"} else word[0],
        token,
    )
