"""Which words are forms of one another, as far as their beginnings tell. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from domain.words import is_cjk

_BEGINNING = 4  # letters that two forms of a word share; shorter words have no forms
_ENDING = 4  # letters by which one may be longer than the other

# Verbs whose forms do not begin alike.
_IRREGULAR = (
    "become became|begin began begun|break broke broken|bring brought|build built|buy bought|catch caught|"
    "choose chose chosen|come came|do did done|draw drew drawn|drink drank drunk|drive drove driven|eat ate "
    "eaten|fall fell fallen|feel felt|fight fought|find found|fly flew flown|freeze froze frozen|get got|"
    "give gave given|go went gone|grow grew grown|hear heard|hold held|keep kept|know knew known|lead led|"
    "leave left|lose lost|make made|mean meant|meet met|pay paid|rise rose risen|run ran|say said|see saw "
    "seen|sell sold|send sent|show shown|sing sang sung|sink sank sunk|sit sat|sleep slept|speak spoke "
    "spoken|spend spent|stand stood|steal stole stolen|swim swam swum|take took taken|teach taught|tell told|"
    "think thought|throw threw thrown|understand understood|wear wore worn|win won|write wrote written"
)
_PRESENT = {form: verb.split()[0] for verb in _IRREGULAR.split("|") for form in verb.split()}


class Vocabulary:
    """The words of a text, to be asked for a word in any form. Passages have thousands of words, so a word is
    compared only with those that begin as it does."""

    __slots__ = ("_inflected", "_words")

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(map(_spelled, words))
        self._inflected: dict[str, list[str]] = defaultdict(list)  # by their beginnings
        for word in self._words:
            if _has_forms(word):
                self._inflected[word[:_BEGINNING]].append(word)

    def holds(self, word: str) -> bool:
        word = _spelled(word)
        return word in self._words or (
            _has_forms(word)
            and any(_begin_alike(word, other) for other in self._inflected.get(word[:_BEGINNING], ()))
        )

    def held(self, wanted: Iterable[str]) -> frozenset[str]:
        """Those of the wanted words that are there in some form."""
        return frozenset(filter(self.holds, wanted))

    def covers(self, wanted: Sequence[str]) -> float:
        """The share of the wanted words that is there in some form; 0 where nothing is wanted."""
        return sum(map(self.holds, wanted)) / len(wanted) if wanted else 0.0


def alike(one: str, other: str) -> bool:
    """Whether two words are forms of one another (`drift`, `drifts`)."""
    return Vocabulary([one]).holds(other)


def _begin_alike(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    if len(longer) - len(shorter) > _ENDING:
        return False
    return longer.startswith(shorter[: max(_BEGINNING, len(shorter) - 2)])


def _has_forms(word: str) -> bool:
    return len(word) >= _BEGINNING and word.isalpha() and not is_cjk(word)


def _spelled(word: str) -> str:
    """Irregular verbs in their plain form, British spelling like American."""
    word = _PRESENT.get(word, word)
    stem, plural = (word[:-1], "s") if word.endswith("res") else (word, "")
    if len(stem) > 4 and stem.endswith("re"):
        word = f"{stem[:-2]}er{plural}"
    return word.replace("our", "or") if len(word) > 5 else word
