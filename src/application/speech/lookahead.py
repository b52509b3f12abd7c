"""How far a rule may look, and what it finds."""

import re
from dataclasses import dataclass

from application.speech.spoken import Thing


class Undecided(Exception):
    """More text could change the decision."""


@dataclass(frozen=True, slots=True)
class Found:
    """A construct that ends at `to`; `say` is left of it, one character or nothing."""

    to: int
    say: str = ""
    thing: Thing | None = None


@dataclass(frozen=True, slots=True)
class Ahead:
    """The text known so far; `last`: there will not be more. Whatever is asked, the answer would be the same
    if more were known: where it could be another one it is `Undecided`."""

    text: str
    last: bool

    def at(self, place: int) -> str:
        """The character there; empty behind the end."""
        if place < len(self.text):
            return self.text[place]
        if not self.last:
            raise Undecided
        return ""

    def behind(self, run: re.Pattern[str], start: int) -> int:
        """The end of a run of characters, which may be empty."""
        match = run.match(self.text, start)
        end = match.end() if match else start
        self.at(end)
        return end

    def find(self, closing: str, start: int, most: int) -> int:
        """Where `closing` begins; -1 when not within `most` characters."""
        stop = start + most + len(closing)
        place = self.text.find(closing, start, stop)
        if place < 0 and not self.last and len(self.text) < stop:
            raise Undecided
        return place

    def up_to(self, closing: re.Pattern[str], start: int, most: int) -> int:
        """As `find`, for any of several characters."""
        match = closing.search(self.text, start, start + most)
        if match is None and not self.last and len(self.text) < start + most:
            raise Undecided
        return match.start() if match else -1
