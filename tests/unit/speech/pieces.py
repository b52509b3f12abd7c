"""Answers as they come, in pieces, and what becomes of them."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import strategies as st

from application.speech.segments import Segment
from application.speech.speakable import Speakable
from application.speech.speech import Speech
from application.speech.spoken import Spoken

# What markup, numbers and formulas are made of, whole and torn.
_FRAGMENTS = (
    "* ** *** _ __ ~ ~~ ` `` ``` ~~~ # ## > - + 1. 2) | |---| [ ] ]( ) ![ [1] [^1] ]: <b> </b> < <br> "
    "<!-- --> &amp; & &# ; $ $$ \\( \\) \\[ \\] \\ \\frac{ } { \\geq \\begin{cases} \\end{cases} ^ ^2 _1 x n "
    "f(x) O(n = == http:// https://example.com/a_b www. h ht http ann@example.com 3.14 1,000 5 5% 20°C km "
    "km/h m² $5 $3.50 € 1/2 ½ 3:1 10:30 a.m. e.g. i.e. etc. Dr. No. U.S. Fig. Chapter IV Henry VIII May 12, "
    "2024 3. 2024-05-12 – — - ... … . ! ? , : ( \" “ ” ' the and is der und ist word Word 中文 ，。 ！ "
    "、 「 」 かな 😊 👩‍🔬 1️⃣ é ß α ² ₂ \u200d \ufffc \u0301"
)
_BLANKS = ("\n", "\n\n", "\n- ", "\n```", "  ", " ", " ", " ", "\t", "\r\n", "\x00", "\ud800")
FRAGMENTS = (*_FRAGMENTS.split(" "), *_BLANKS)
ANSWERS = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join) | st.text(max_size=80)


def cut(answer: str, places: Iterable[int]) -> list[str]:
    """The answer in pieces, cut at these places, wherever they fall."""
    at = sorted({0, len(answer), *(place % (len(answer) + 1) for place in places)})
    return [answer[one:other] for one, other in pairwise(at)]


def spoken(*pieces: str) -> list[Spoken]:
    speakable = Speakable()
    return [one for piece in pieces for one in speakable.feed(piece)] + speakable.end()


def said(answer: str) -> str:
    return "".join(one.text for one in spoken(answer)).strip()


def segments(*pieces: str) -> list[Segment]:
    speech = Speech()
    return [one for piece in pieces for one in speech.feed(piece)] + speech.end()


def texts(*pieces: str) -> list[str]:
    return [segment.text for segment in segments(*pieces)]
