"""The marks `[n]` by which an answer cites passages, checked while it is being written: what points to no
passage goes, all else stays as the model wrote it."""

import re
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field

from application.retrieval.verbatim import SPECIAL, Verbatim
from domain.words import is_cjk

Cite = Callable[[Iterable[int]], object]  # told the numbers of passages that an answer rests on

_NUMBER = re.compile("[0-9]{1,3}")
_MARK = re.compile(r" ?\[[0-9]{1,3}(?:[,;] ?[0-9]{1,3}){0,2}\]")
_BEGUN = re.compile(r" ?(?:\[[0-9,; ]{0,13}\]?)?\Z")  # may become one
_UNIT = re.compile(f"[^\\s[\\]{SPECIAL}]+|.", re.DOTALL)  # nothing within it means anything by itself


@dataclass(slots=True)
class Citations:
    """Reads an answer piece by piece, however it is cut into pieces; holds back no more than what may become
    a mark. `cited` are the passages that were cited so far, `passages` how many there are.

    No mark is what stands in code or in a formula, behind a word (`a[3]`), within other brackets or before a
    link's address. Where several numbers share their brackets, one that points nowhere shows that they are
    something else: an interval, a list."""

    passages: int
    cited: set[int] = field(default_factory=set)
    _verbatim: Verbatim = field(default_factory=Verbatim)
    _held: str = ""
    _last: str = ""  # the character before
    _subscript: bool = False  # the newest bracket was opened behind a word
    _open: int = 0  # brackets on this line that are not closed yet

    def read(self, piece: str) -> str:
        """What can be told by now."""
        text, self._held = self._held + piece, ""
        told: list[str] = []
        at = 0
        while at < len(text):
            mark = _MARK.match(text, at)
            if mark and mark.end() < len(text):
                told.append(self._judged(mark[0], following=text[mark.end()]))
                at = mark.end()
            elif _BEGUN.match(text, at):
                self._held = text[at:]
                break
            elif unit := _UNIT.match(text, at):
                self._pass(unit[0])
                told.append(unit[0])
                at = unit.end()
        return "".join(told)

    def rest(self) -> str:
        """The end of what can be told: nothing more will come."""
        held, self._held = self._held, ""
        return self._judged(held, "") if _MARK.fullmatch(held) else held

    def _pass(self, unit: str) -> None:
        inside = self._verbatim.read(unit)
        if unit == "[":
            self._subscript = inside or self._follows_word()
        if not inside:
            self._count(unit)
        self._last = unit[-1]

    def _judged(self, mark: str, following: str) -> str:
        nested = self._open > 0
        for character in mark:
            self._pass(character)
        numbers = [int(number) for number in _NUMBER.findall(mark)]
        if nested or self._subscript or following == "(":
            return mark
        if all(0 < number <= self.passages for number in numbers):
            self.cited.update(numbers)
            return mark
        return mark if len(numbers) > 1 else ""

    def _count(self, unit: str) -> None:
        if unit == "[":
            self._open += 1
        elif unit == "]" and self._open:
            self._open -= 1
        elif unit == "\n":
            self._open = 0

    def _follows_word(self) -> bool:
        if self._last == "]":
            return self._subscript
        # Chinese has no blank before a mark
        return (self._last.isalnum() or self._last == "_") and not is_cjk(self._last)


async def checked(pieces: AsyncGenerator[str], passages: int, cite: Cite) -> AsyncGenerator[str]:
    """An answer over so many passages, without the marks that point to none of them; what may become a mark
    when the model breaks off is lost."""
    citations = Citations(passages)
    async with aclosing(pieces):
        try:
            async for piece in pieces:
                if told := citations.read(piece):
                    yield told
            if rest := citations.rest():
                yield rest
        finally:
            cite(citations.cited)
