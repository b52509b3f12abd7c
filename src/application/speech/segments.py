"""Speech cut into segments that are short enough to begin early and long enough to sound like speech."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from application.speech.spoken import Pause, Spoken
from domain.words import CJK

# A word weighs as much as one and a half ideographs.
WORD = 3
IDEOGRAPH = 2
ENOUGH = 5 * WORD  # from here on a clause may end a segment
FULL = 8 * WORD  # and here it ends, wherever it reads best

_IDEOGRAPH = re.compile(f"[{CJK}]")
_WORD = re.compile(f"[^\\W{CJK}]+(?:[.,:'’-][^\\W{CJK}]+)*")
_VOICED = re.compile(r"[^\W_]")
_EDGES = " ,;:–—-、，；："
_LEANING = (
    "a an the of in to on at by for from with and or but nor as than that which who whose if when while "
    "because is are was were be been not no very its their his her your our my this these those each "
    "every per into onto over under between about doctor mister missus professor saint figure der die "
    "das ein eine und oder mit von zu für auf le la les un une et de du el los las y"
)
_LEANS = frozenset(_LEANING.split()) | {"for example", "that is"}  # on the word that follows
_CLOSES = frozenset("的了着过地得们吗呢吧啊は")
_OPENS = frozenset("把被从对向在和与或但而并是将为以及")


@dataclass(frozen=True, slots=True)
class Segment:
    """What is spoken at once. Up to `end` characters of the answer are told when it was."""

    text: str
    end: int


@dataclass(slots=True)
class Segments:
    """Takes what is said in pieces and gives the segments that are complete. The same whatever the pieces."""

    _held: list[Spoken] = field(default_factory=list)
    _weight: int = 0

    def feed(self, spoken: Iterable[Spoken]) -> list[Segment]:
        found: list[Segment] = []
        for one in spoken:
            self._held.append(one)
            self._weight += weight(one.text)
            # one word more is better than one word alone
            room = FULL + WORD if one.pause else FULL
            while self._weight > room:
                found += self._cut(self._best())
            if self._ends(one):
                found += self._cut(len(self._held))
        return found

    def end(self, length: int) -> list[Segment]:
        """The rest. `length`: of the answer, all of which is told then."""
        found = self._cut(len(self._held))
        return [Segment(found[0].text, length)] if found else []

    def _ends(self, last: Spoken) -> bool:
        return last.pause is Pause.SENTENCE or (last.pause is Pause.CLAUSE and self._weight >= ENOUGH)

    def _best(self) -> int:
        """Where to cut what has grown too long: where it reads best, and of such places the last. Something
        long that is never cut goes with the few words before it."""
        best, firmest, so_far = 0, -1, 0
        for place, (one, following) in enumerate(pairwise(self._held), 1):
            so_far += weight(one.text)
            if so_far > FULL:
                return best or place
            if so_far >= ENOUGH and (firm := firmness(one, following)) >= firmest:
                best, firmest = place, firm
        return best or len(self._held)

    def _cut(self, count: int) -> list[Segment]:
        cut, rest = self._held[:count], self._held[count:]
        text = "".join(one.text for one in cut).strip().lstrip(_EDGES)
        self._held = rest
        self._weight = sum(weight(one.text) for one in rest)
        return [Segment(text, cut[-1].end)] if _VOICED.search(text) else []


def weight(text: str) -> int:
    return WORD * sum(1 for _ in _WORD.finditer(text)) + IDEOGRAPH * len(_IDEOGRAPH.findall(text))


def firmness(one: Spoken, following: Spoken) -> int:
    """How well one may pause between the two, from 0 to 2."""
    if _IDEOGRAPH.search(one.text):
        if one.text[-1] in _OPENS:
            return 0
        return 2 if one.text[-1] in _CLOSES or following.text[0] in _OPENS else 1
    word = one.text.strip("\"'“‘( ").lower()
    return 0 if word in _LEANS or not one.text.endswith(" ") else 2
