"""Which sentences of the passages answer a question, and how well. Pure; the same words decide for gate,
guard and extractive answer, so that the three never disagree."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from application.retrieval.lines import Line, lines
from application.retrieval.question import Asked, Wanted, understood
from domain.document import Hit
from domain.words import STOPWORDS, is_cjk, is_latin, words

STRONG = 0.80  # of `Evidence.score`: certain enough to contradict a model that finds no answer
ENOUGH = 0.62
ENOUGH_WORDS = 0.6  # of the question's content words, where no cosine is known
ENOUGH_PAIRS = 0.5  # likewise in a script without blanks: pairs reach across words, and such seldom recur
WORDS_WEIGHT = 0.4
AROUND = 0.4  # of that, what the rest of the passage contributes: it tells what a line is about
CLOSE = 0.40  # no sentence further from the question than this answers it
NEARLY_THE_SAME = 0.70  # so close that the words need not match
ACROSS = 0.05  # what a line in another script is given for the words that it cannot share with the question

_NUMBER_WORD = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million "
    "billion half quarter third dozen twice daily weekly monthly yearly annually"
)
_NUMBER = re.compile(
    rf"\d|\b(?:one|{'|'.join(_NUMBER_WORD.split())})\b|[一二三四五六七八九十百千万亿两]", re.IGNORECASE
)
_TIME = re.compile(
    r"\d|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|"
    r"tuesday|wednesday|thursday|friday|saturday|sunday|century|spring|summer|autumn|winter|daily|"
    r"weekly)s?\b|[年月日点]",
    re.IGNORECASE,
)
# Capitals within a sentence; the first word too, since it may be a name.
_NAME = re.compile(r"(?:(?<![.!?:])\s|\A)[\"“(]?([A-Z][^\W\d_]+)|[\u4e00-\u9fff]{2}")


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


@dataclass(frozen=True, slots=True)
class Evidence:
    """A line that answers the question. `n` is the mark of its hit, counted from 1."""

    n: int
    hit: Hit
    line: Line
    score: float

    @property
    def strong(self) -> bool:
        return self.score >= STRONG


def evidence(question: str, hits: Sequence[Hit]) -> list[Evidence]:
    """The lines that answer the question, best first; none when nothing does."""
    asked = understood(question)
    if asked.inventing:
        return []
    found: dict[str, Evidence] = {}
    for n, hit in enumerate(hits, 1):
        for index, line in enumerate(lines(hit.text)):
            score = _score(asked, line, hit, index) if may_answer(asked, hit, line) else None
            if score is not None and line.text not in found:
                found[line.text] = Evidence(n, hit, line, score)
    return sorted(found.values(), key=lambda one: -one.score)


def covered(wanted: Sequence[str], present: Sequence[str]) -> float:
    """The share of the wanted words that are present in some form."""
    if not wanted:
        return 0.0
    return sum(any(alike(word, other) for other in present) for word in wanted) / len(wanted)


def alike(one: str, other: str) -> bool:
    """Whether two words are forms of one another (`drift`, `drifts`), as far as their beginnings tell."""
    one, other = _spelled(one), _spelled(other)
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    if len(longer) - len(shorter) > 4 or is_cjk(shorter) or not shorter.isalpha() or not longer.isalpha():
        return False
    return len(shorter) >= 4 and longer.startswith(shorter[: max(4, len(shorter) - 2)])


def _spelled(word: str) -> str:
    """Irregular verbs in their plain form, British spelling like American."""
    word = _PRESENT.get(word, word)
    stem, plural = (word[:-1], "s") if word.endswith("res") else (word, "")
    if len(stem) > 4 and stem.endswith("re"):
        word = f"{stem[:-2]}er{plural}"
    return word.replace("our", "or") if len(word) > 5 else word


def may_answer(asked: Asked, hit: Hit, line: Line) -> bool:
    """Whether it holds a thing of the kind that is asked for, in a passage with the names in the question, as
    far as the words can tell. In another script the names are written otherwise."""
    return has_kind(asked, line.quote) and (_in_another_script(asked, line) or _speaks_of(asked, hit))


def _in_another_script(asked: Asked, line: Line) -> bool:
    return is_latin(asked.text) != is_latin(line.quote)


def _speaks_of(asked: Asked, hit: Hit) -> bool:
    present = words(f"{hit.text} {hit.filename}")
    initials = "".join(word[0] for word in present)
    return all(
        any(_same_name(name, other) for other in present) or (len(name) >= 3 and name in initials)
        for name in asked.names
    )


def _same_name(name: str, other: str) -> bool:
    # HTTPS is not HTTP: only longer names may be inflected.
    return name == other or (len(name) >= 6 and alike(name, other))


def _score(asked: Asked, line: Line, hit: Hit, index: int) -> float | None:
    near = hit.nearness[index] if index < len(hit.nearness) else None
    if _in_another_script(asked, line):  # they share no word, whatever the line says
        return near + ACROSS if near is not None and near + ACROSS >= ENOUGH else None
    present = words(line.quote)
    around = covered(asked.content, words(f"{hit.text} {hit.filename}"))
    share = (1 - AROUND) * covered(asked.content, present) + AROUND * around
    if near is None:
        return share if share >= _enough(asked) else None
    if asked.wanted in (Wanted.PERSON, Wanted.TIME) and near < NEARLY_THE_SAME:
        # "Who designed X?" and "When was X born?" are not answered by just any name or date beside X.
        told = [word for word in asked.content if word not in asked.names]
        if told and not covered(told, present):
            return None
    score = near + WORDS_WEIGHT * share
    return score if near >= CLOSE and score >= ENOUGH else None


def _enough(asked: Asked) -> float:
    in_pairs = 2 * sum(map(is_cjk, asked.content)) > len(asked.content)
    return ENOUGH_PAIRS if in_pairs else ENOUGH_WORDS


def has_kind(asked: Asked, text: str) -> bool:
    """Whether the text holds a thing of the kind that was asked for, beside what the question itself
    brought."""
    if asked.measure is not None and is_latin(text) and not asked.measure.search(text):
        return False
    if asked.wanted is Wanted.NUMBER:
        return _NUMBER.search(text) is not None
    if asked.wanted is Wanted.TIME:
        return _TIME.search(text) is not None
    if asked.wanted is Wanted.PERSON:
        return any(
            not any(alike(word, known) for known in asked.content)
            for found in _NAME.finditer(text)
            for word in words(found[0])
            if word not in STOPWORDS and not _TIME.search(found[0])
        )
    return True
