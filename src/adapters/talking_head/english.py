"""How English words sound: a pronouncing dictionary, and a model for the words it does not list. Both are
data of gruut (MIT); its own code is not used."""

import base64
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from types import MappingProxyType

import pycrfsuite

from adapters.data_files import packaged_file
from adapters.talking_head.wording import PAUSES, words_of

PACKAGE = "gruut-lang-en"
LEXICON, LEXICON_SHA256 = (
    "gruut_lang_en/lexicon.db",
    "f736287913499c93b493b42963b66f74d59e0c083d9bc6d914c1096bc27658fc",
)
GUESSES, GUESSES_SHA256 = (
    "gruut_lang_en/g2p/model.crf",
    "7942e8f8968b1bd5b322fd58d78b947f5fd305c9d4aeb6a8be1d0ea96227bbad",
)
FILES = ((LEXICON, LEXICON_SHA256), (GUESSES, GUESSES_SHA256))
LONGEST_WORD = 40  # letters; what is longer is no word
REMEMBERED = 20_000  # guessed words
STRESS = ("ˈ", "ˌ")
VOWELS = frozenset("aæɐɑɒeəɚɛɜiɪoɔuʊʌᵻ")

# The dictionary writes less than the voice was trained on: vowel length, and what stress does to schwas.
_LONG: Mapping[str, str] = MappingProxyType({"ɑ": "ɑː", "ɔ": "ɔː", "u": "uː"})
# In running speech these carry no stress, and some are worn down.
_WEAK: Mapping[str, str] = MappingProxyType(
    {
        "a": "ɐ", "an": "ɐn", "the": "ðə", "and": "ænd", "of": "ʌv", "to": "tə", "in": "ɪn", "on": "ɔn",
        "at": "æt", "as": "æz", "is": "ɪz", "are": "ɑːɹ", "was": "wʌz", "were": "wɜː", "be": "bi", "it": "ɪt",
        "its": "ɪts", "for": "fɔːɹ", "from": "fɹʌm", "with": "wɪð", "by": "baɪ", "or": "ɔːɹ", "but": "bʌt",
        "that": "ðæt", "this": "ðɪs", "you": "juː", "your": "jʊɹ", "we": "wiː", "he": "hiː", "she": "ʃiː",
        "they": "ðeɪ", "his": "hɪz", "her": "hɜː", "my": "maɪ", "our": "aʊɚ", "has": "hɐz", "have": "hæv",
        "had": "hæd", "can": "kæn", "will": "wɪl", "would": "wʊd", "if": "ɪf", "than": "ðɐn", "i": "aɪ",
    }
)  # read as a table # fmt: skip
# Spelt alike and said differently: which of the dictionary's roles follows which words.
_AFTER: Mapping[str, str] = MappingProxyType(
    {
        word: role
        for role, words in (
            ("gruut:VB", "to will would can could should must may i you we they not please"),
            ("gruut:NN", "the a an this that my your his her its our their no of"),
            ("gruut:VBD", "have has had was were been be being"),
        )
        for word in words.split()
    }
)


class English:
    """Made of checked files; loading takes a quarter of a second. Not for several threads at once."""

    def __init__(self) -> None:
        self._known = _lexicon()
        self._tagger = pycrfsuite.Tagger()
        self._tagger.open(str(packaged_file(PACKAGE, GUESSES)))
        self._guessed: dict[str, str] = {}

    def phonemes(self, text: str) -> str:
        """One symbol per character, words separated by blanks, and the pauses; "" if nothing can be said."""
        said: list[str] = []
        before = ""
        words = list(words_of(text))
        sounds = [
            word if word in PAUSES else self._sound(word, earlier) for earlier, word in pairwise(["", *words])
        ]
        for sound, following in pairwise([*sounds, ""]):
            if sound in PAUSES:
                if said and before not in PAUSES:
                    said.append(sound)
            elif sound:
                said += [" ", _before_vowel(sound, following)] if said else [_before_vowel(sound, following)]
            before = sound or before
        return "".join(said)

    def _sound(self, word: str, earlier: str) -> str:
        word = word[:LONGEST_WORD]
        if word in _WEAK:
            return _WEAK[word]
        ways = self._known.get(word)
        if ways is None:
            return self._guess(word)
        ways_by_role = dict(reversed([_split(way) for way in ways.split("/")]))
        wanted = _AFTER.get(earlier, "")
        return _as_trained(ways_by_role.get(wanted) or _split(ways.split("/")[0])[1])

    def _guess(self, word: str) -> str:
        stem, _, _ = word.partition("'")
        if stem != word and stem in self._known:  # an owner's 's, mostly
            return self._sound(stem, "") + ("z" if word.endswith("'s") else "")
        if word not in self._guessed:
            if len(self._guessed) >= REMEMBERED:
                self._guessed.clear()
            letters = [letter for letter in word if letter.isalpha()]
            tags = self._tagger.tag([_features(letters, at) for at in range(len(letters))])
            phones = [phone for tag in tags for phone in _decoded(tag).split("|") if phone != "_"]
            self._guessed[word] = _as_trained(" ".join(phones))
        return self._guessed[word]


def _lexicon() -> dict[str, str]:
    """Word to its pronunciations, the usual one first: "role=phones/role=phones"."""
    file = packaged_file(PACKAGE, LEXICON)
    known: dict[str, str] = {}
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as database:
        for word, role, phones in database.execute(
            "SELECT word, role, phonemes FROM word_phonemes ORDER BY id"
        ):
            way = f"{role}={phones}"
            known[word] = f"{known[word]}/{way}" if word in known else way
    return known


def _split(way: str) -> tuple[str, str]:
    role, _, phones = way.partition("=")
    return role, phones


def _features(letters: Sequence[str], at: int) -> dict[str, str | float | bool]:
    """What the model was trained to look at: a letter and three to either side."""
    features: dict[str, str | float | bool] = {"bias": 1.0, "grapheme": _encoded(letters[at])}
    if at == 0:
        features["begin"] = True
    for step in (-1, -2, -3, 1, 2, 3):
        if 0 <= at + step < len(letters):
            features[f"grapheme{step:+d}"] = _encoded(letters[at + step])
    if at == len(letters) - 1:
        features["end"] = True
    return features


def _encoded(letter: str) -> str:
    return base64.b64encode(letter.encode()).decode()


def _decoded(tag: str) -> str:
    return base64.b64decode(tag).decode()


def _as_trained(phones: str) -> str:
    """The dictionary's phones as the voice knows them."""
    parts = phones.replace("͡", "").split()
    said: list[str] = []
    for index, part in enumerate(parts):
        stress = part[0] if part[0] in STRESS else ""
        phone = part[len(stress) :]
        last = index == len(parts) - 1
        after = parts[index + 1] if not last else ""
        before = parts[index - 1] if index else ""
        said.append(stress + _phone(phone, stress, before, after, first=index == 0))
    return "".join(said)


def _phone(phone: str, stress: str, before: str, after: str, *, first: bool) -> str:
    if phone == "ɚ":
        return "ɜː" if stress else "ɚ"
    if phone == "i":
        return "iː" if stress or (after and after[-1] not in VOWELS) else "i"
    if phone == "ə" and first and after:
        return "ɐ"
    if (
        phone == "ɪ"
        and after in ("z", "d")
        and before in ("s", "z", "ʃ", "ʒ", "tʃ", "dʒ", "t", "d")
        and not stress
    ):
        return "ᵻ"
    if phone == "t" and before and before[-1] in VOWELS | {"ɹ"} and after and after[0] in VOWELS:
        return "ɾ"  # between vowels, the second one unstressed
    return _LONG.get(phone, phone)


def _before_vowel(sound: str, following: str) -> str:
    if sound in ("ðə", "tə") and following.lstrip("ˈˌ")[:1] in VOWELS:
        return {"ðə": "ði", "tə": "tʊ"}[sound]
    return sound
