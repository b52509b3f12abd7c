"""What passes between the stages of speech."""

from dataclasses import dataclass
from enum import Enum, IntEnum


class Pause(IntEnum):
    """How much of a rest there is behind what is said."""

    NONE = 0
    CLAUSE = 1
    SENTENCE = 2


@dataclass(frozen=True, slots=True)
class Spoken:
    """Something that is said in one go and never cut: a word, a number with its unit, a formula.

    `text` ends with a blank where one is written; joined, they are the whole speech. `end`: so many
    characters of the answer are told once this is said."""

    text: str
    end: int
    pause: Pause = Pause.NONE


class Kind(Enum):
    """What is written in another way than prose."""

    FORMULA = "formula"
    CODE = "code"
    BLOCK = "block"  # of code; its text is the name of the language
    ADDRESS = "address"
    NUMBER = "number"  # of a list item


@dataclass(frozen=True, slots=True)
class Thing:
    """Something within prose that must be put in words by its own rules, as it is written."""

    kind: Kind
    text: str


THING = "\ufffc"  # stands for a thing in plain text


@dataclass(frozen=True, slots=True)
class Plain:
    """A stretch of an answer without its markup: single blanks, a line break where a block ends, and `THING`
    for each of `things`. `ends[i]`: so many characters of the answer are behind `text[i]`."""

    text: str
    ends: list[int]
    things: list[Thing]
