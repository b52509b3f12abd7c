"""An answer as a person would say it, word by word, as it comes."""

import re
from dataclasses import dataclass, field

from application.speech.abbreviations import ABBREVIATED
from application.speech.calendar import is_month
from application.speech.markup import Markup
from application.speech.notation import MONARCHS, TITLES, Around, Said, read, rest_behind
from application.speech.spoken import THING, Pause, Plain, Spoken, Thing
from application.speech.tongue import Ear
from application.speech.units import UNIT
from domain.words import CJK

MARKS_MAX = 8  # in a row behind an ideograph
TOKEN_MAX = 200  # characters without a blank that are taken as one
STRETCH_MAX = 160  # characters that are read together

_IDEOGRAPHIC = "，。！？；：、｡"
_TOKEN = re.compile(
    f"[「『（《“‘【]{{0,{MARKS_MAX}}}[{CJK}][{_IDEOGRAPHIC}」』）》”’】…]{{0,{MARKS_MAX}}}"
    f"|[^\\s{CJK}{_IDEOGRAPHIC}]{{1,{TOKEN_MAX}}}[{_IDEOGRAPHIC}」』）》】]{{0,{MARKS_MAX}}}|[{_IDEOGRAPHIC}]"
)
# Letters of any script with their marks: everything but figures, signs and punctuation.
_LETTERS = "[^\\s\\d!-@\\[-`{-\u00bf×÷\u2000-\u2bff\u3000-\u303f\uff00-\uff65\ufffc।؟۔،؛]"
_PLAIN = re.compile(
    f"[\"'“”‘’«»„(]*(?P<word>{_LETTERS}+(?:['’-]{_LETTERS}+)*)[\"'”’»)]*"
    f"(?P<mark>[,;:]|[.!?।؟۔]{{1,2}}|[{_IDEOGRAPHIC}]+)?[\"'”’»)」』）》】]*"
)
_JOINS = re.compile(
    r"(?:USD|EUR|GBP|CHF|CNY|RMB|JPY|thousand|million|billion|trillion|bn|[ap]m|[AP]M|x|of|to|log|sin|cos|[KMk])"
)
_GREEK = re.compile("[α-ωΑ-Ω](?![α-ωά-ώΑ-Ω])")
_CALL = re.compile(r"(?:\A|\s)[fghFGHOPETΘΩφψ]'{0,2}\([^)]*\Z")
_ROMAN = re.compile("[IVXLC]+")
_IDEOGRAPH = re.compile(f"[{CJK}{_IDEOGRAPHIC}]")
_QUOTES = "\"'“”‘’«»()[]"


@dataclass(slots=True)
class Speakable:
    """Takes an answer in pieces and gives what is said of it, the same however it was cut. Holds back only
    what further text could change."""

    _markup: Markup = field(default_factory=Markup)
    _ear: Ear = field(default_factory=Ear)
    _text: str = ""
    _ends: list[int] = field(default_factory=list)
    _things: list[Thing] = field(default_factory=list)
    _before: str = ""  # the last word
    _joined: int = 0  # so far `_text` is known to be read together

    def feed(self, piece: str) -> list[Spoken]:
        return self._advance(self._markup.feed(piece), last=False)

    def end(self) -> list[Spoken]:
        return self._advance(self._markup.end(), last=True)

    def _advance(self, plain: Plain, *, last: bool) -> list[Spoken]:
        self._text += plain.text
        self._ends += plain.ends
        self._things += plain.things
        spoken: list[Spoken] = []
        at = 0
        while (begin := self._after_blanks(at)) < len(self._text):
            end = self._stretch(begin, last=last)
            if end is None:
                break
            spoken += self._say(begin, end)
            at = end
        self._text, self._ends = self._text[at:], self._ends[at:]
        self._joined = max(0, self._joined - at)
        return spoken

    def _after_blanks(self, at: int) -> int:
        while at < len(self._text) and self._text[at] in " \n":
            at += 1
        return at

    def _stretch(self, begin: int, *, last: bool) -> int | None:
        """Where ends what must be read together from there; None when that is open."""
        if self._joined <= begin:
            end = self._token_end(begin, last=last)
            if end is None or is_plain(self._text[begin:end]):
                return end
            self._joined = end
        while self._joined < len(self._text) and self._text[self._joined] == " ":
            end = self._token_end(self._joined + 1, last=last)
            if end is None:
                return None
            joined = joins(self._text[begin : self._joined], self._text[self._joined + 1 : end])
            if not joined or end - begin > STRETCH_MAX:
                break
            self._joined = end
        return self._joined

    def _token_end(self, begin: int, *, last: bool) -> int | None:
        """None when the token is not known to be over."""
        token = _TOKEN.match(self._text, begin)
        if token is None:
            return None
        return token.end() if last or token.end() < len(self._text) else None

    def _say(self, begin: int, end: int) -> list[Spoken]:
        stretch = self._text[begin:end]
        for word in stretch.split():
            self._ear.hear(word)
        if is_plain(stretch):
            said = [Said(stretch, len(stretch), rest_behind(stretch))]
        else:
            count = stretch.count(THING)
            around = self._around(end)
            if _IDEOGRAPH.match(around.following):
                self._ear.hear(around.following[0])
            said = read(stretch, around, self._ear.tongue, self._things[:count])
            del self._things[:count]
        self._before = stretch.rsplit(" ", 1)[-1].replace(THING, "")
        return [self._spoken(one, begin) for one in said]

    def _around(self, end: int) -> Around:
        """The word behind is known whole where there is a blank before it."""
        if self._text[end : end + 1] in ("", "\n"):
            return Around(self._before, "")
        token = _TOKEN.match(self._text, end + 1) if self._text[end] == " " else None
        return Around(self._before, token[0] if token else self._text[end])

    def _spoken(self, said: Said, begin: int) -> Spoken:
        end = begin + said.to
        blank = " " if self._text[end : end + 1] in (" ", "\n") and end < len(self._text) else ""
        pause = Pause.SENTENCE if self._text[end : end + 1] == "\n" else said.pause
        return Spoken(said.text + blank, self._ends[end - 1], pause)


def is_plain(token: str) -> bool:
    """A word that is said as it is written, whatever follows."""
    match = _PLAIN.fullmatch(token)
    if match is None:
        return _is_ideograph(token)
    word = match["word"]
    if (match["mark"] or "").startswith(".") and (len(word) == 1 or f"{word.lower()}." in ABBREVIATED):
        return False
    is_titled = word in MONARCHS or word.lower() in TITLES
    return not (is_titled or is_month(word) or _GREEK.match(word))


def joins(stretch: str, following: str) -> bool:
    """Whether a stretch that began with a token that is not plain may only be read with the next one."""
    token = stretch.rsplit(" ", 1)[-1]
    plain = _PLAIN.fullmatch(following)
    if plain is None or not is_plain(following):
        return not _is_ideograph(following)
    word = plain["word"]
    if token.strip(_QUOTES) in MONARCHS or token.strip(_QUOTES).lower() in TITLES:
        return _ROMAN.fullmatch(word) is not None
    if _JOINS.fullmatch(word) or _CALL.search(stretch):
        return True
    counted = any(character.isdigit() for character in token) or token[-1] in "½⅓⅔¼¾"
    return counted and UNIT.fullmatch(word) is not None


def _is_ideograph(token: str) -> bool:
    return _IDEOGRAPH.match(token.lstrip("「『（《“‘【")) is not None
