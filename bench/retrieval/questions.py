"""What is asked, and what a right answer is made of."""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.retrieval.sources import Source
from domain.document import Hit

FILE = Path(__file__).with_name("questions.json")
_CHINESE = re.compile("[\u4e00-\u9fff]")
_NO_TEXT = re.compile(r"[\s|]+")  # lines break, cells part: neither changes what is said


@dataclass(frozen=True)
class Question:
    text: str
    document: str
    page: int | None
    expected: tuple[str, ...]
    kind: str
    language: str  # English, Chinese, or across: the document is in the other one

    def is_told_by(self, text: str) -> bool:
        told = _comparable(text)
        return any(_comparable(words) in told for words in self.expected)

    def is_on(self, hit: Hit) -> bool:
        """The right document, and the right page where it has pages."""
        return hit.filename == self.document and hit.page == self.page

    def is_answered_by(self, hit: Hit) -> bool:
        return self.is_on(hit) and self.is_told_by(hit.text)


@dataclass(frozen=True)
class QuestionSet:
    answerable: tuple[Question, ...]
    unanswerable: tuple[str, ...]

    def sample(self, size: int) -> "QuestionSet":
        """About so many of them, evenly; all for 0."""
        step = max(1, (len(self.answerable) + len(self.unanswerable)) // size) if size else 1
        return QuestionSet(self.answerable[::step], self.unanswerable[::step])


def question_set(sources: Sequence[Source]) -> QuestionSet:
    """All questions. Raises ValueError for one that its page does not answer."""
    given = json.loads(FILE.read_text(encoding="utf-8"))
    found: list[Question] = []
    for part in ("answerable", "across"):
        for document, items in given[part].items():
            for item in items:
                text = item["ask"]
                language = "across" if part == "across" else language_of(text)
                found.append(
                    Question(text, document, item.get("page"), tuple(item["expect"]), item["kind"], language)
                )
    texts = {source.name: source for source in sources}
    unfit = [one.text for one in found if not one.is_told_by(texts[one.document].page(one.page))]
    unfit += [one.text for one in found if (one.page is None) != (texts[one.document].extension != "pdf")]
    if unfit:
        raise ValueError(f"not answered where they say: {unfit}")
    return QuestionSet(tuple(found), tuple(given["unanswerable"]))


def language_of(text: str) -> str:
    return "Chinese" if _CHINESE.search(text) else "English"


def _comparable(text: str) -> str:
    return _NO_TEXT.sub("", unicodedata.normalize("NFKC", text))
