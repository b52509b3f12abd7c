"""Which language is being spoken, as far as the last words tell. Only English is rewritten into words; the
signs of other languages are left to their voices."""

import re
from dataclasses import dataclass
from enum import Enum

from application.speech.chinese import CHINESE
from application.speech.english import ENGLISH
from application.speech.german import GERMAN
from application.speech.lexicon import Lexicon
from domain.words import CJK


class Tongue(Enum):
    ENGLISH = "en"
    CHINESE = "zh"
    GERMAN = "de"
    OTHER = ""

    @property
    def lexicon(self) -> Lexicon | None:
        """None where we know no words for signs."""
        return _LEXICONS.get(self)


_LEXICONS = {Tongue.ENGLISH: ENGLISH, Tongue.CHINESE: CHINESE, Tongue.GERMAN: GERMAN}

# Words that only this language has.
_ENGLISH = (
    "the of and is to a that it for with as are this you be can from by not or which we if when then its has "
    "have were will your more than at how what because so about into i they there but all each"
)
_GERMAN = (
    "der das und ist nicht ein eine einen einem einer mit für auf von zu dem des wird werden sind auch bei "
    "wenn oder ich sie wir aus nach wie als kann zum zur im vom über"
)
_OTHERS = (
    "le la les du une dans pour que qui pas sur avec vous nous ce cette au el los las es en por para del "
    "como il lo gli di che sono della uma não de het een niet zijn voor naar"
)
_WORDS = (
    dict.fromkeys(_OTHERS.split(), Tongue.OTHER)
    | dict.fromkeys(_GERMAN.split(), Tongue.GERMAN)
    | dict.fromkeys(_ENGLISH.split(), Tongue.ENGLISH)
)
_IDEOGRAPH = re.compile(f"[{CJK}]")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_FOREIGN = re.compile("[\u0400-\u1cff\u1f00-\u1fff\uac00-\ud7af]{2}")  # scripts that no name in English has
_UMLAUT = re.compile("[äöüß]")
_SURE = 5  # words; so many of another language turn the opinion
_LINGERS = 3  # words that may stand between two ideographs


@dataclass(slots=True)
class Ear:
    _english: int = 0
    _foreign: Tongue = Tongue.OTHER
    _ideographs: int = 0
    _kana: bool = False

    def hear(self, token: str) -> None:
        """One word more."""
        if _IDEOGRAPH.search(token):
            self._ideographs = _LINGERS
            self._kana = self._kana or _KANA.search(token) is not None
            return
        self._ideographs = max(0, self._ideographs - 1)
        word = token.strip("\"'“”‘’«»()[].,;:!?…").lower()
        tongue = _WORDS.get(word) or _by_letters(word)
        if tongue is Tongue.ENGLISH:
            self._english = min(_SURE, self._english + 1)
        elif tongue is not None:
            self._english = max(-_SURE, self._english - 1)
            self._foreign = tongue

    @property
    def tongue(self) -> Tongue:
        if self._ideographs:
            return Tongue.OTHER if self._kana else Tongue.CHINESE
        return Tongue.ENGLISH if self._english >= 0 else self._foreign


def _by_letters(word: str) -> Tongue | None:
    if _FOREIGN.search(word):
        return Tongue.OTHER
    return Tongue.GERMAN if _UMLAUT.search(word) else None
