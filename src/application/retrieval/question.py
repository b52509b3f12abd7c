"""What a question asks for, as far as its wording tells. English and Chinese wording; others ask for nothing
special."""

import re
from dataclasses import dataclass
from enum import Enum

from application.retrieval.forms import Vocabulary
from domain.words import STOPWORDS, is_latin, search_words

ENDS = 1_000  # characters at either end of a message: between them stands a text that was pasted
FEW = 20  # words that carry meaning, at either end

_THING = (
    r"(?:(?:course|lecture|uploaded|attached|given)\s+)*(?:\w+\s+)?(?:documents?|files?|pdfs?|docs?|papers?|"
    r"notes?|texts?|handbooks?|slides?|contents?|materials?|uploads?)"
)
_ASIDE = re.compile(
    rf"(?:\b(?:according\s+to|based\s+on|as\s+stated\s+in|in|from|inside|within)\s+"
    rf"(?:the|this|that|my|your|these|those|our|an?)\s+{_THING}\b(?!\s+of\b)|"
    r"(?:根据|按照|依据)?(?:这个|这份|我的|上传的|该)?(?:文档|文件|资料|材料)(?:里面?|中)?(?:，|,)?)[,;:]?",
    re.IGNORECASE,
)
_SAYS = re.compile(
    rf"\bwhat\s+(?:does|do|did)\s+(?:the|this|that|my|these|our)\s+{_THING}\s+(?:say|state|tell|write|mention)s?\s+"
    r"(?:us\s+|me\s+)?(?:about|on|regarding)\b",
    re.IGNORECASE,
)
_FILENAME = re.compile(
    r"(?:\b(?:in|of|from|according\s+to)\s+)?(?<![\w-])[\w-]++\.(?:pdf|docx|txt|md)\b", re.IGNORECASE
)
_OVERVIEW = re.compile(
    r"\bsummar|\boverview\b|\bmain\s+(?:points?|ideas?|topics?)\b|\bkey\s+(?:points?|ideas?|topics?)\b|"
    rf"\bwhat\s+(?:is|are|'s)\s+(?:the|this|that|my|these)\s+{_THING}\s+(?:all\s+)?about\b|"
    rf"\b(?:what|tell\s+me)\s+(?:(?:is|are)\s+)?(?:in|about)\s+(?:the|this|that|my|these)\s+{_THING}\W*\Z|"
    r"总结|概括|概述|摘要|主要内容|讲了什么",
    re.IGNORECASE,
)
_WANTS = (
    ("person", re.compile(r"\bwho(?:m|se)?\b|谁|哪位", re.IGNORECASE)),
    (
        "number",
        re.compile(
            r"\bhow\s+(?:many|much|long|far|deep|fast|high|tall|big|large|old|hot|cold|heavy|thick|wide|"
            r"salty|often)\b|\bwhat\s+(?:percentage|fraction|share|proportion|speed|temperature|depth|price|"
            r"mark|age)\b|多少|几|多大|多长|多深",
            re.IGNORECASE,
        ),
    ),
    (
        "time",
        re.compile(
            r"\bwhen\s+(?:is|are|was|were|did|do|does|will|must|should|can)\b|"
            r"\b(?:what|which)\s+(?:year|date|day|month|time|century)\b|什么时候|何时|哪年|哪一年|哪天|几点",
            re.IGNORECASE,
        ),
    ),
)


# What may stand behind the number that is asked for. A rate (`2.5 centimetres a year`) is no length, and the
# end of a word no unit.
_WHOLE = r"(?<![^\W\d_])"
_LENGTH = _WHOLE + r"(?:[^\W\d_]*met(?:re|er)|mile|f(?:oo|ee)t|inch(?:e)?|yard|fathom|km|cm|mm|nm|m|ft)s?"
_DURATION = _WHOLE + r"(?:second|minute|hour|day|week|month|year|decade|centur(?:y|ie)|min|h|semester|term)s?"
_NO_RATE = r"\b(?!\s+(?:per|an?|each|every)\b)"
_MONEY = r"[$€£¥]|euros?|dollars?|pounds?|yuan|cents?\b"
_MEASURES = (
    (
        r"\bhow\s+far\b.{0,200}\b(?:in\s+an?|per|an?|each|every)\s+(?:hour|day|week|month|year)\b",
        _LENGTH + r"\b",
    ),
    (
        r"\bhow\s+(?:deep|tall|wide|thick|far(?!\s+(?:ahead|back|in\s+advance)))\b|"
        r"\b(?:depth|height|width|distance)\b",
        _LENGTH + _NO_RATE,
    ),
    (r"\bhow\s+high\b", f"{_LENGTH + _NO_RATE}|{_MONEY}|percent|per\\s+cent|%|degrees?\\b|°"),
    (r"\bhow\s+long\b|\bwhat\s+length\b", rf"(?:{_LENGTH}|{_DURATION}){_NO_RATE}"),
    (r"\bhow\s+old\b|\bwhat\s+age\b", _DURATION),
    (
        r"\bhow\s+heavy\b|\bweight\b|\bhow\s+much\s+does\b.{0,200}\bweigh\b",
        _WHOLE + r"(?:[^\W\d_]*gram(?:me)?|kilo|tonne|ton|pound|kg|g|lb)s?\b",
    ),
    (r"\bhow\s+fast\b|\bspeed\b", r"\w\s+(?:per|an?|each|every)\s+\w|km/h|m/s|mph|knots?|times\b"),
    (r"\bhow\s+(?:hot|cold|warm)\b|\btemperature\b", r"degrees?\b|°|kelvin"),
    (
        r"\bpercentage\b|\bproportion\b|\bfraction\b|\bwhat\s+share\b",
        r"percent|per\s+cent|%|half|quarter|third|fifth|tenth|\bof\b",
    ),
    (r"\bprice\b|\bhow\s+expensive\b|\bcosts?\b", _MONEY),
)
_MEASURE = tuple(
    (re.compile(asks, re.IGNORECASE), re.compile(unit, re.IGNORECASE)) for asks, unit in _MEASURES
)
_INVENTING = re.compile(
    r"\b(?:joke|poem|haiku|limerick|song|story|fairy\s+tale|rhyme|translate|riddle)s?\b|笑话|写一首|翻译",
    re.IGNORECASE,
)


class Wanted(Enum):
    """What kind of thing would be an answer."""

    ANYTHING = "anything"
    PERSON = "person"
    NUMBER = "number"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Asked:
    text: str  # the question without "according to the document" and the like
    latin: bool  # it is written in Latin letters
    content: tuple[str, ...]  # its words that carry meaning, folded, each once
    vocabulary: Vocabulary  # of these
    names: tuple[str, ...]  # names, acronyms and words with digits in it, folded
    wanted: Wanted
    overview: bool  # the documents as a whole are asked about, not a fact in them
    inventing: bool  # a joke, a poem, a translation: nothing to look up
    measure: re.Pattern[str] | None  # how a number that answers is measured


def understood(question: str) -> Asked:
    """What its two ends ask for, so that no message, however long, keeps others waiting."""
    text = bare(question)
    wanted = _wanted(text)
    every = search_words(text)
    content = [word for word in every if word not in _ASKING]
    if wanted is Wanted.TIME:
        content = [word for word in content if word not in _KINDS_OF_TIME]
    telling = tuple(_few(content or every))
    return Asked(
        text=text,
        latin=is_latin(text),
        content=telling,
        vocabulary=Vocabulary(telling),
        names=_names(text, len(content)),
        wanted=wanted,
        overview=_OVERVIEW.search(_ends(question)) is not None,
        inventing=_INVENTING.search(text) is not None,
        measure=_measure(text) if wanted in (Wanted.NUMBER, Wanted.ANYTHING) else None,
    )


def bare(question: str) -> str:
    """The question without the words that only say where to look."""
    question = _ends(question)
    rest = _SAYS.sub(" ", question)
    rest = _FILENAME.sub(" ", _ASIDE.sub(" ", rest))
    rest = re.sub(r"\s+", " ", rest).strip(" ,;:")
    return rest if search_words(rest) and any(c.isalnum() for c in rest) else question


def _few(telling: list[str]) -> list[str]:
    return telling if len(telling) <= 2 * FEW else [*telling[:FEW], *telling[-FEW:]]


def _ends(message: str) -> str:
    return message if len(message) <= 2 * ENDS else f"{message[:ENDS]}\n{message[-ENDS:]}"


def _wanted(text: str) -> Wanted:
    """What its first such word asks for: "who" may also join (`How many remembered it who had slept?`)."""
    found = [(asks.start(), kind) for kind, wording in _WANTS if (asks := wording.search(text))]
    return Wanted(min(found)[1]) if found else Wanted.ANYTHING


def _measure(text: str) -> re.Pattern[str] | None:
    return next((unit for asks, unit in _MEASURE if asks.search(text)), None)


def _names(text: str, content: int) -> tuple[str, ...]:
    """Words written as names. Where most words are (a title, German nouns), capitals say nothing."""
    found: list[str] = []
    beginning = re.search(r"\w", text)
    for match in re.finditer(r"[^\W_]+(?:[-/.'][^\W_]+)*", text):
        word = match[0]
        begins = beginning is not None and beginning.start() == match.start()
        acronym = any(c.isupper() for c in word[1:]) or any(c.isdigit() for c in word)
        if acronym or (word[0].isupper() and not begins and word.lower() not in STOPWORDS):
            found += search_words(word)
    distinct = tuple(dict.fromkeys(found))
    return distinct if len(distinct) <= max(2, content // 2 + 1) else ()


# They ask, they are not asked about.
_ASKING_WORDS = (
    "many much long far often kind sort explain describe give name list mean means happen happens called "
    "exactly know say says said think document documents according based tutor question answer get "
    "one"
)
_ASKING = frozenset(_ASKING_WORDS.split())
_KINDS_OF_TIME = frozenset(["year", "date", "day", "month", "time", "century"])
