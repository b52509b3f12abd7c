"""Plain text in the making: single blanks, and an end mark where a block ends without one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from application.speech.spoken import Plain, Thing
from domain.words import CJK

_ENDS = re.compile("[.!?…:;。！？：；।؟۔][\"'”’»)\\]」』）]?\\Z")
_PUNCTUATION = frozenset(",.;:!?…、，。；：！？")
_CLINGS = frozenset(",.;:!?…)]}%、，。；：！？）」』”")  # to the word before it
_CJK = re.compile(f"[{CJK}）」』】]\\Z")


@dataclass(slots=True)
class Prose:
    """`last`: the last two characters of the block; empty at its beginning."""

    last: str = ""
    _blank: bool = False
    _comma: bool = False
    _hidden: bool = False  # something that is not said stood behind the blank
    _text: list[str] = field(default_factory=list)
    _ends: list[int] = field(default_factory=list)
    _things: list[Thing] = field(default_factory=list)

    def say(self, text: str, ends: Iterable[int], begin: int, thing: Thing | None = None) -> None:
        """`begin`: so many characters of the answer are before it."""
        self.separate(text[0], begin)
        self._text.append(text)
        self._ends.extend(ends)
        self.last = (self.last + text)[-2:]
        if thing is not None:
            self._things.append(thing)

    def separate(self, first: str, begin: int) -> None:
        """What stands between the last word and the next, which begins with `first`."""
        if self.last:
            if self._comma and self.last[-1] not in _PUNCTUATION:
                self._add(",", begin)
            if self._blank and not (self._hidden and first in _CLINGS):
                self._add(" ", begin)
        self._blank = self._comma = self._hidden = False

    def blank(self) -> None:
        self._blank = True

    def cell(self) -> None:
        """The end of a table's cell, heard as a comma."""
        self._blank = self._comma = True

    def hide(self) -> None:
        """Something stood here that is not said."""
        self._hidden = True

    def close(self, end: int) -> None:
        """The block ends."""
        if self.last:
            if not _ENDS.search(self.last) and self.last[-1] not in ",，、":
                self._add("。" if _CJK.search(self.last) else ".", end)
            self._add("\n", end)
        self.last = ""
        self._blank = self._comma = self._hidden = False

    def take(self) -> Plain:
        """What was added since the last time."""
        plain = Plain("".join(self._text), self._ends, self._things)
        self._text, self._ends, self._things = [], [], []
        return plain

    def _add(self, text: str, end: int) -> None:
        self._text.append(text)
        self._ends.append(end)
