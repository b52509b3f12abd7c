"""Words as a search sees them: folded, without filler words, and pairs of characters where a script has no
blanks."""

import re
import unicodedata
from itertools import groupby

# Han, kana and their marks: written without blanks, so a word cannot be told from its neighbours.
CJK = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_CJK_RUN = re.compile(f"[{CJK}]+")
_ASCII_WORD = re.compile("[a-z0-9]+")
_CJK_ONLY = re.compile(f"[{CJK}]+\\Z")
_BEYOND_LATIN = "\u0250"
# Normalising sorts the marks on a letter, which takes quadratic time. Blanks part a text without loss.
_PORTION = re.compile(r".{1,300}(?:\s|\Z)|.{1,300}", re.DOTALL)

_FILLERS = (
    "a about above after again against all also am an and any are as at be because been before being below "
    "between both but by can could did do does doing down during each few for from further had has have "
    "having he her here hers him his how i if in into is it its itself just me more most my no nor not now "
    "of off on once only or other our out over own please same she should so some such tell than that the "
    "their them then there these they this those through to too under until up upon us very was we were what "
    "when where which while who whom whose why will with would you your s t m re ve ll d don doesn didn isn "
    "aren wasn weren won 的 了 是 在 和 与 吗 呢 吧 有 这 那 我 你 他 什么 怎么 如何 哪些 哪个 请问 是什"
)
STOPWORDS = frozenset(_FILLERS.split())
_CJK_FILLERS = (  # they ask or join; left where they are they would be halves of pairs that no answer holds
    "为什么 什么时候 什么 怎么样 怎么办 怎么 怎样 如何 多少 多久 哪些 哪个 哪里 哪种 哪类 哪一 哪 谁 几 "
    "请问 是否 可以 应该 应当 需要 一共 现在 当时 "
    "吗 呢 吧 的 了 是 在 和 与 有 被 把 要 会 用 到 从 对 这 那 由"
)
_CJK_FILLER = re.compile("|".join(_CJK_FILLERS.split()))


def folded(text: str) -> str:
    """Compatibility forms and letter case made equal: `ＴＣＰ` is `tcp`."""
    if text.isascii():
        return text.lower()
    return "".join(unicodedata.normalize("NFKC", portion) for portion in _PORTION.findall(text)).lower()


def words(text: str) -> list[str]:
    """Every word in order, folded. A run of CJK characters gives its overlapping pairs (a lone one
    itself)."""
    return _split(folded(text))


def search_words(text: str) -> list[str]:
    """The distinct words worth searching for, in order; filler words only where nothing else is said."""
    said = dict.fromkeys(_split(_CJK_FILLER.sub(" ", folded(text))))
    return [word for word in said if word not in STOPWORDS] or list(dict.fromkeys(words(text)))


def index_text(text: str) -> str:
    """The text as a full-text index should see it, so that `search_words` of a question finds it: its words
    with blanks between them (an index's own splitting takes `TCP/IP` or `4.2` for one), and of a CJK run its
    single characters beside the pairs."""
    with_singles = _CJK_RUN.sub(lambda run: f" {' '.join(_pairs(run[0]) + _singles(run[0]))} ", folded(text))
    return " ".join(_split(with_singles))


def is_cjk(word: str) -> bool:
    return _CJK_ONLY.match(word) is not None


def is_latin(text: str) -> bool:
    """Whether it is written in Latin letters for the most part, by words; numbers do not count."""
    if text.isascii():  # nothing else is there
        return True
    begin = [word[0] for word in words(text) if not word[0].isdigit()]
    return 2 * sum(letter < _BEYOND_LATIN for letter in begin) >= len(begin)


def _split(text: str) -> list[str]:
    if text.isascii():  # the same, ten times faster
        return _ASCII_WORD.findall(text)
    found: list[str] = []
    for is_word, group in groupby(text, _in_word):
        if is_word:
            found += _split_scripts("".join(group))
    return found


def _in_word(character: str) -> bool:
    # A mark belongs to its letter: vowel signs of Indic scripts and Thai are marks.
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def _split_scripts(run: str) -> list[str]:
    found: list[str] = []
    at = 0
    for cjk in _CJK_RUN.finditer(run):
        if cjk.start() > at:
            found.append(run[at : cjk.start()])
        found += _pairs(cjk[0])
        at = cjk.end()
    if at < len(run):
        found.append(run[at:])
    return found


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def _singles(run: str) -> list[str]:
    # A question may hold a lone character; pairs alone would never match it.
    return list(run) if len(run) > 1 else []
