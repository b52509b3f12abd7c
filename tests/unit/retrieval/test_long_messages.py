"""Every message is judged on the event loop, so none, with whatever passages, may take more than a moment."""

import random
import time
from collections.abc import AsyncGenerator

import pytest

from application.retrieval.bearing import bearer
from application.retrieval.citations import Citations
from application.retrieval.evidence import MOST, evidence
from application.retrieval.extractive import extractive_answer
from application.retrieval.gate import answering
from application.retrieval.grounding import grounded
from application.retrieval.lines import lines
from application.retrieval.naming import meant
from application.retrieval.question import ENDS, FEW, bare, understood
from application.retrieval.trigger import trigger
from domain.document import Hit

SOON = 5.0  # seconds; a tenth of one is usual, and what looks again and again needs minutes
LONG = 8_000  # characters; no hit has more

_random = random.Random(6)
WORDS = ["".join(_random.choices("abcdefghijkl", k=_random.randint(3, 9))) for _ in range(LONG)]
MARKS = "\u0301\u0316"  # over and under a letter: normalising brings them in order
QUESTIONS = [
    *("how far " * 20_000, "how much does " * 10_000, "how fast " * 20_000, "in the course " * 10_000),
    *("a" * 100_000, "1" * 100_000, "a_1" * 50_000, "foo." * 30_000, "-" * 100_000),
    *("what" + " " * 100_000 + "x", "page" + " " * 100_000 + "x", "e" + MARKS * 50_000, "海" * 100_000),
    *("Who met " + " ".join(map(str.title, WORDS)), "how long " + " ".join(WORDS)),
    "how deep " + " ".join(f"same{word}" for word in WORDS),
]
PASSAGES = [
    text[:LONG]
    for text in (
        *(" ".join(WORDS), "\n".join(f"{word}|5 m" for word in WORDS), "x:\n\n" + "- a:\n" * LONG),
        *(". ".join(f"Same{word} is 5 metres deep" for word in WORDS), "It a. " * LONG, "a|b\n" * LONG),
        "|".join(WORDS)[: LONG // 2] + "\n" + "\n".join(f"{word[:2]}|1" for word in WORDS),
        *(", ".join(f"{word} 5 m" for word in WORDS), "1" * LONG, "_" * LONG, "1 " * LONG, "海" * LONG),
        *("a" * LONG, " " * LONG, "." * LONG, "[" * LONG, "[1" * LONG, "e" + MARKS * LONG),
    )
]


def hits(*texts: str) -> list[Hit]:
    near = (0.7,) * LONG
    return [Hit(filename="a.txt", page=None, text=text, score=None, nearness=near) for text in texts]


async def saying(text: str) -> AsyncGenerator[str]:
    yield text


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[:12])
def test_no_message_takes_long(question: str) -> None:
    start = time.process_time()

    trigger(question, None, ["week-one.pdf"])
    meant(question, None, [])
    bare(question)
    understood(question)
    answering(question, hits(PASSAGES[0], PASSAGES[1]))

    assert time.process_time() - start < SOON


@pytest.mark.parametrize("question", QUESTIONS[-3:], ids=lambda question: question[:12])
@pytest.mark.parametrize("text", PASSAGES, ids=lambda text: text[:6])
async def test_no_passage_takes_long(question: str, text: str) -> None:
    start = time.process_time()

    found = evidence(question, hits(text))
    extractive_answer(question, hits(text))
    bearer("It is 5 metres deep, 5 m long and 1 m wide. " * 9, understood(question), found)
    [piece async for piece in grounded(saying(f"{text}."), question, hits(text), list)]

    assert time.process_time() - start < SOON


@pytest.mark.parametrize("text", PASSAGES, ids=lambda text: text[:6])
def test_no_answer_takes_long_to_check(text: str) -> None:
    start = time.process_time()

    citations = Citations(5)
    told = "".join([*map(citations.read, text), citations.rest()])

    assert len(told) <= len(text)
    assert time.process_time() - start < SOON


def test_of_a_long_message_the_beginning_is_understood() -> None:
    asked = understood("How deep is the sea? " + " ".join(WORDS))

    assert len(asked.text) <= 2 * ENDS + 1
    assert asked.content[:2] == ("deep", "sea")
    assert len(asked.content) == 2 * FEW


def test_of_a_passage_in_tiny_rows_only_so_many_are_quoted() -> None:
    rows = "|".join(WORDS)[:1_000] + "\n" + "\n".join(f"{word} | 5 m" for word in WORDS)

    assert len(evidence("How long is it?", hits(rows, rows))) == MOST < len(lines(rows)) < LONG
    assert max(len(line.quote) for line in lines(rows)) < 1_000
