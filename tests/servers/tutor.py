"""The small wits of the model servers: quote what fits best, or say something sensible."""

import re
from collections.abc import Iterator

from tests.servers.script import DIRECTIVE

MARK = "=== CONTEXT FROM DOCUMENTS ==="
HEADING = re.compile(r"^\[(\d+)\] .*$", re.MULTILINE)
SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])")
COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by do does for from how in is it of on or that the this to was what when "
        "where which who why with you your according document documents file please tell me",
    )
)
GENERAL = (
    "Good question. Let us take it one step at a time. First, say in your own words what you already know. "
    "Then name the one point that is unclear, and we will work on that together with an example. "
    "Finally, try a similar problem by yourself: what you can explain, you have understood."
)


def answer(text: str) -> str:
    """A reply to a prompt's input: from its quoted passages if there are any."""
    question, mark, context = DIRECTIVE.sub("", text).partition(MARK)
    if not mark:
        return GENERAL
    asked = _words(question)
    best = max(_sentences(context), key=lambda each: len(asked & _words(each[1])), default=None)
    if best is None or not asked & _words(best[1]):
        return "The documents quoted here do not answer that."
    return f"Your document says: “{best[1]}” [{best[0]}]"


def pieces(text: str) -> list[str]:
    """The text in word-sized pieces that join to it exactly."""
    return re.findall(r"\s*\S+\s*?(?=\s|$)|\s+$", text)


def _sentences(context: str) -> Iterator[tuple[str, str]]:
    parts = HEADING.split(context)
    for number, passage in zip(parts[1::2], parts[2::2], strict=True):
        lines = [line.removeprefix("> ").strip() for line in passage.splitlines() if line.strip("> ")]
        body = " ".join(line for line in lines if not line.startswith(("---", "===")))
        for sentence in SENTENCE.split(body):
            if sentence.strip():
                yield number, sentence.strip()


def _words(text: str) -> set[str]:
    words = {word.rstrip("s") for word in re.findall(r"[^\W_]+", text.casefold()) if word not in COMMON}
    return words | set(re.findall(r"[\u4e00-\u9fff]", text))
