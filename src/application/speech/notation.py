"""Numbers, dates, units, abbreviations and signs within a sentence, as one says them. Pure: it is given a
whole stretch of such text, and says how far each thing that is said reaches in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from application.speech.abbreviations import FOREIGN, NUMBERED, READINGS, ends_sentence
from application.speech.calendar import DATES, is_month
from application.speech.code import language_name, spoken_address, spoken_code
from application.speech.formulas import as_formula
from application.speech.lexicon import UNICODE
from application.speech.mathematics import formula
from application.speech.money import MONEY
from application.speech.numerals import ordinal, roman
from application.speech.quantities import QUANTITIES
from application.speech.rules import Rule, rule
from application.speech.spoken import THING, Kind, Pause, Thing
from application.speech.tongue import Tongue
from application.speech.units import PATTERN, unit
from domain.words import CJK

_TITLES = (
    "world chapter section part volume book act scene phase type stage class grade level unit appendix "
    "figure table article war title step group factor mark episode round"
)
_MONARCHS = (
    "Henry Louis Charles George Edward Elizabeth Richard James William Pius Napoleon Nicholas Ivan Peter "
    "Frederick Leo Benedict Alexander Catherine Philip Mary Ramses Ptolemy Paul John Otto Gregory Innocent "
    "Urban Constantine Darius Robert Christian Gustav Felipe Alfonso"
)
TITLES = frozenset(_TITLES.split())  # what is numbered in Roman numerals
MONARCHS = frozenset(_MONARCHS.split())

_ABBREVIATION = re.compile(
    r"(?<![\w.'’/-])(?:(?:[^\W\d_]\.){2,6}|[^\W\d_]{1,8}\.(?:[^\W\d_]{1,2}\.)*)(?![\w.])"
)
_ORDINAL = re.compile(r"(?<!\S)\d{1,2}\.(?!\S)")
_WORD = re.compile(r"[^\W_]+(?:[.'’-][^\W_]+)*")
_ARROWS = {
    "<=>": "iff",
    "<->": "leftrightarrow",
    "-->": "to",
    "==>": "Rightarrow",
    "->": "to",
    "=>": "Rightarrow",
} | {
    "<-": "leftarrow",
    ">=": "geq",
    "<=": "leq",
    "!=": "neq",
    "==": "=",
}
_ARROW = re.compile("|".join(map(re.escape, _ARROWS)))
_MARKS = frozenset("*_#^|{}\\~$<>=+&@`")  # which a voice stumbles over
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉⁰¹²³⁴⁵⁶⁷⁸⁹", "01234567890123456789")
_SENTENCE = re.compile("[.!?…。！？｡।؟۔][\"'”’»)\\]」』）】]*\\Z")
_LATIN_STOP = re.compile(f"(?<=[{CJK}])\\.\\Z")
_FULL_STOP = re.compile(r"(?<=[\w)])\.\Z")
_CLAUSE = re.compile("[,;:，；：、—–][\"'”’»)\\]」』）】]*\\Z|\\A[-–—]+\\Z")


class Around(NamedTuple):
    """The words before and behind a stretch; `following` is empty where a block ends."""

    before: str
    following: str


class Said(NamedTuple):
    """`to`: where in the stretch it ends. `pause`: what is behind it."""

    text: str
    to: int
    pause: Pause


def rest_behind(text: str) -> Pause:
    """As its last mark tells."""
    if _SENTENCE.search(text):
        return Pause.SENTENCE
    return Pause.CLAUSE if _CLAUSE.search(text) else Pause.NONE


def _titled(match: re.Match[str]) -> str | None:
    """World War 2, Henry the eighth; but in `in class I learned` stands no number."""
    head, number = match["head"], roman(match["roman"])
    if number is None or match["roman"] in ("L", "C"):
        return None
    if head in MONARCHS:
        return f"{head} the {ordinal(number)}" if number > 1 else None
    if head.lower().removeprefix("world ") not in TITLES or (number == 1 and head.islower()):
        return None
    return f"{head} {number}"


def _spelled(match: re.Match[str]) -> str:
    """C++, C#, F#."""
    return f"{match['letter']} {'sharp' if match['sign'] == '#' else 'plus plus'}"


_FILES = (
    "py|js|ts|c|cpp|h|java|txt|pdf|docx?|md|csv|json|html?|css|xml|ya?ml|toml|exe|zip|png|jpe?g|gif|ipynb|sh|"
    "rs|go"
)
_DOMAINS = "com|org|net|edu|gov|io|de|uk|cn|ai|eu|info|fr|ch|at"
_NAMES = (
    rule(r"(?<![\w.])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+", lambda match: _address(match[0])),
    rule(
        rf"(?<![\w.@])(?P<host>(?:[A-Za-z0-9-]{{2,60}}\.)+(?:{_DOMAINS}))(?![\w.]\w|\w)(?:/[\w/.%?=&-]*[\w/])?",
        lambda match: _address(match["host"]),
    ),
    rule(rf"(?<![\w.])[\w-]{{1,60}}\.(?:{_FILES})(?![\w])", lambda match: _address(match[0])),
    rule(r"(?<![\w])(?P<letter>[A-Z])(?P<sign>\+\+|#)(?!\w)", _spelled),
    rule(r"(?<!\w)(?P<head>(?:World\s)?[A-Z]?[a-z]+)\s(?P<roman>[IVXLC]+)(?![\w'’])", _titled),
    rule(rf"(?<![\w.])(?=[^\s/]{{1,5}}/)(?P<unit>{PATTERN})", lambda match: unit(match["unit"])),
    rule(r"(?<!\w)#(?=\d)", lambda match: "number "),
    rule(r"(?<!\w)w/o(?!\w)", lambda match: "without"),
    rule(r"(?<!\w)w/(?=\s)", lambda match: "with"),
    rule(r"(?<=\w)/(?=(?:day|week|month|year|hour|person|minute|second|kg|night)\b)", lambda match: " per "),
    rule(r"(?<=[\d%])\s?[–—]\s?(?=\d)", lambda match: " to "),
    rule(r"(?<=[^\W\d_])/(?=[^\W\d_])", lambda match: " "),
    rule(r"%", lambda match: " percent"),
    rule(r"°", lambda match: " degrees"),
    rule(r"§§?\s?", lambda match: "section "),
    rule(r"(?<=\d)\*(?=\d)", lambda match: " times "),
    rule(r"(?<=\d\s)\*(?=\s\d)", lambda match: "times"),
    rule(r"(?<=\d\s)x(?=\s\d)", lambda match: "times"),
    rule(r"(?:(?<=\s[\w)]\s)|(?<=[\d²³)]\s))[-−–](?=\s\d*[A-Za-z]?[²³]?(?!\w))", lambda match: "minus"),
    rule(r"(?<!\S)\$(?!\S)", lambda match: "dollar"),
    rule(r"@", lambda match: " at "),
    rule(r"--+", lambda match: "–"),
)
RULES: tuple[Rule, ...] = (*DATES, *MONEY, *QUANTITIES, *_NAMES)


def _address(written: str) -> str:
    return spoken_address(written, Tongue.ENGLISH.lexicon)


def read(stretch: str, around: Around, tongue: Tongue, things: Sequence[Thing]) -> list[Said]:
    """What is said of the stretch, blank by blank. `things` are those in it."""
    return _Reading(f"{around.before} {stretch}", around, tongue, things).all()


@dataclass(slots=True)
class _Reading:
    stretch: str
    around: Around
    tongue: Tongue
    things: Sequence[Thing]
    at: int = 0
    said: list[Said] = field(default_factory=list)
    _words: list[str] = field(default_factory=list)  # since the last blank
    _goes_on: bool = False  # the full stop at the end of these is none of a sentence

    def all(self) -> list[Said]:
        self.at = len(self.around.before) + 1
        while self.at < len(self.stretch):
            if self.stretch[self.at] == " ":
                self._flush()
                self.at += 1
            else:
                self._read()
        self._flush()
        return self.said

    def _read(self) -> None:
        mark = self.stretch[self.at]
        if mark == THING:
            thing = self.things[self.stretch.count(THING, 0, self.at)]
            self._say(self._thing(thing), 1, goes_on=thing.kind is Kind.NUMBER)
        elif not self._abbreviated() and not self._ruled():
            self._fall_back(mark)

    def _say(self, text: str, length: int, *, goes_on: bool = False) -> None:
        self._words.append(text)
        self.at += length
        self._goes_on = goes_on

    def _flush(self) -> None:
        text = " ".join("".join(self._words).split())
        text = re.sub(r"\s+(?=[,;:!?.)])(?!\.\d)", "", text)
        if text:
            self.said.append(self._said(text))
        self._words.clear()
        self._goes_on = False

    def _said(self, text: str) -> Said:
        text = _LATIN_STOP.sub("。", text)
        pause = Pause.NONE if self._goes_on else self._pause(text)
        spurious = not self._goes_on and pause < rest_behind(text) and _FULL_STOP.search(text)
        if spurious and self.tongue is Tongue.ENGLISH:
            text, pause = text[:-1], Pause.NONE  # `at 10 a.m. on Monday`
        return Said(text, self.at - len(self.around.before) - 1, pause)

    def _behind(self, at: int) -> str:
        """What comes behind the blank there."""
        return self.stretch[at + 1 :] or self.around.following

    def _pause(self, text: str) -> Pause:
        rest = rest_behind(text)
        return min(rest, Pause.CLAUSE) if self._behind(self.at)[:1].islower() else rest

    def _thing(self, thing: Thing) -> str:
        lexicon = self.tongue.lexicon
        match thing.kind:
            case Kind.FORMULA:
                return formula(thing.text, lexicon) if lexicon else formula(thing.text)
            case Kind.CODE:
                return spoken_code(thing.text, lexicon)
            case Kind.ADDRESS:
                return spoken_address(thing.text, lexicon)
            case Kind.NUMBER:
                return thing.text
            case Kind.BLOCK if lexicon:
                language = language_name(thing.text)
                return lexicon.phrase("code_block_in", language) if language else lexicon.phrase("code_block")
        return ""

    def _abbreviated(self) -> bool:
        match = _ABBREVIATION.match(self.stretch, self.at)
        if match is None:
            return self._counted()
        short, behind = match[0].lower(), self._behind(match.end())
        if match.end() < len(self.stretch) and self.stretch[match.end()] != " ":
            behind = self.stretch[match.end() :]
        reading = self._reading(match[0], short, behind)
        if reading is None:
            return False
        ends = ends_sentence(short, behind)
        bare = reading.rstrip(".") if self.tongue is Tongue.ENGLISH else reading
        self._say(f"{bare}." if ends and not bare.endswith(".") else bare, len(match[0]), goes_on=not ends)
        return True

    def _reading(self, written: str, short: str, behind: str) -> str | None:
        """The words for an abbreviation; None when it is none."""
        if self.tongue is not Tongue.ENGLISH:
            return written if short in FOREIGN or len(written) == 2 else None
        numbered = re.match(rf"\d|[IVXLC]{{2,6}}\b|[VX]\b|{THING}|\(\d", behind)
        if short in NUMBERED:
            return NUMBERED[short] if numbered else None
        if short == "st.":
            return "Saint" if behind[:1].isupper() else "Street"
        if short in READINGS and not (is_month(written) and behind[:1].isdigit()):
            reading = READINGS[short]
            return reading if not written[0].isupper() else reading[0].upper() + reading[1:]
        if len(written) == 2:
            return written if written.isupper() else None
        letters = written.replace(".", " ").strip()
        return letters if letters.isupper() and written.count(".") * 2 == len(written) else None

    def _counted(self) -> bool:
        """`3. Oktober`."""
        ordinal_ = _ORDINAL.match(self.stretch, self.at) if self.tongue is Tongue.GERMAN else None
        if ordinal_ is None or not self._behind(ordinal_.end()):
            return False
        self._say(ordinal_[0], len(ordinal_[0]), goes_on=True)
        return True

    def _ruled(self) -> bool:
        lexicon = self.tongue.lexicon
        if lexicon is not None and not self._words_before():
            found = as_formula(self.stretch, self.at)
            if found is not None:
                self._say(formula(found.latex, lexicon), found.to - self.at)
                return True
        if self.tongue is not Tongue.ENGLISH:
            return False
        for one in RULES:
            match = one.pattern.match(self.stretch, self.at)
            said = one.say(match) if match else None
            if match and said is not None:
                self._say(said, len(match[0]))
                return True
        return False

    def _words_before(self) -> bool:
        return any(word.strip("([\"'“‘") for word in self._words)

    def _fall_back(self, mark: str) -> None:
        lexicon = self.tongue.lexicon
        if word := _WORD.match(self.stretch, self.at):
            self._say(self._letters(word[0]), len(word[0]))
        elif lexicon and (arrow := _ARROW.match(self.stretch, self.at)):
            self._say(f" {lexicon.sign(_ARROWS[arrow[0]])} ", len(arrow[0]))
        elif lexicon and mark in UNICODE and mark != "…":
            self._say(f" {lexicon.sign(UNICODE[mark])} ", 1)
        elif lexicon and mark in "=<>+&":
            self._say(f" {lexicon.sign(mark)} ", 1)
        else:
            self._say(" " if mark in _MARKS else mark, 1)

    def _letters(self, word: str) -> str:
        """A lone Greek letter by its name, small figures as figures."""
        if word[0] in UNICODE and not word[1:2].isalpha() and self.tongue is Tongue.ENGLISH:
            word = UNICODE[word[0]] + word[1:]
        return word.translate(_SUBSCRIPTS)
