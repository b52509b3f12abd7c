import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports.language_model import ModelFailed
from application.retrieval.extractive import NOT_ANSWERED, extractive_answer
from application.retrieval.grounding import grounded
from domain.document import Hit
from tests.unit.retrieval.hits import GRADES, NETWORK, TRENCH, hit


class Talk:
    """A model that says what it was given, in pieces, and remembers how it ended."""

    def __init__(self, said: str, size: int = 4, breaks: bool = False) -> None:
        self.pieces = [said[at : at + size] for at in range(0, len(said), size)]
        self.breaks = breaks
        self.taken = 0
        self.closed = False

    async def stream(self) -> AsyncGenerator[str]:
        try:
            for piece in self.pieces:
                self.taken += 1
                yield piece
            if self.breaks:
                raise ModelFailed
        finally:
            self.closed = True


async def released(
    talk: Talk, question: str, hits: Sequence[Hit], cited: set[int] | None = None
) -> list[str]:
    cited = set() if cited is None else cited
    async with aclosing(grounded(talk.stream(), question, hits, cited.update)) as pieces:
        return [piece async for piece in pieces]


async def answer(said: str, question: str, *texts: str) -> str:
    return "".join(await released(Talk(said), question, [hit(question, text) for text in texts]))


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How much does the written test count?", "The written test counts for 40 percent of the grade."),
        (
            "How deep does the Challenger Deep lie?",
            "The Challenger Deep lies 10,935 meters below the surface.",
        ),
        ("How deep does the Challenger Deep lie?", "The Challenger Deep lies 10935 metres deep."),
        ("How many bits has an IPv6 address?", "An IPv6 address has 128 bits."),
        (
            "How many sverdrups does the Gulf Stream carry?",
            "According to the text, the Gulf Stream carries 30 sverdrups.",
        ),
        ("Who reached the Challenger Deep in 1960?", "Jacques Piccard and Don Walsh reached it in 1960."),
    ],
)
async def test_what_one_line_bears_out_is_released(question: str, said: str) -> None:
    assert await answer(said, question, TRENCH, GRADES, NETWORK) == f"{said} (notes.pdf, page 1)"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (
            "How much does the written test count?",
            "The written test counts for 25 percent.",
        ),  # another line's number
        ("How much does the written test count?", "The written test counts for 45 percent of the grade."),
        ("How many bits has an IPv6 address?", "An IPv6 address has 32 bits."),  # another clause's number
        ("How many sverdrups does the Gulf Stream carry?", "The Gulf Stream carries 130 sverdrups."),
        (
            "How many sverdrups does the Gulf Stream carry?",
            "The Gulf Stream carries 30 metres.",
        ),  # another unit
        (
            "How deep does the Challenger Deep lie?",
            "The Challenger Deep lies at -10,935 metres below the surface.",
        ),
        ("How deep does the Challenger Deep lie?", "The Challenger Deep lies 10,935 metres below Guam."),
        ("Who reached the Challenger Deep in 1960?", "James Cameron reached it in 1960."),
        (
            "Does UDP give a delivery guarantee?",
            "UDP gives a handshake and a delivery guarantee.",
        ),  # negated in the line
        ("How much does a late report lose?", "A late report loses 5 percent of its marks."),  # per day!
        ("What happens to a late report?", "The report is lost if it is late."),  # turned round
        (
            "How much does the written test count?",
            "This text is about how much the written test counts.",
        ),  # empty
        ("How much does the written test count?", "40."),
        ("How much does the written test count?", "I could not find that in the documents."),
        ("How much does the written test count?", "words without an end " * 40),
        ("How much does the written test count?", ""),
    ],
)
async def test_anything_else_is_replaced_by_the_documents_own_words(question: str, said: str) -> None:
    hits = [hit(question, text) for text in (TRENCH, GRADES, NETWORK)]

    assert "".join(await released(Talk(said), question, hits)) == extractive_answer(question, hits).text


async def test_a_number_within_a_chinese_sentence_must_be_in_the_line() -> None:
    question, line = "装载因子超过多少时扩容？", "装载因子超过0.75时，HashMap扩容一倍。"

    assert (
        await answer("装载因子超过100时，HashMap扩容一倍。", question, line)
        == f"“{line}” (notes.pdf, page 1)"
    )
    assert await answer(line, question, line) == f"{line} (notes.pdf, page 1)"


async def test_a_line_in_another_script_is_quoted_since_a_translation_cannot_be_held_against_it() -> None:
    question, line = (
        "How heavy is the largest seed in the world?",
        "世界上最大的种子是海椰子，一粒可重18公斤。",
    )
    talk = Talk("The largest seed in the world weighs 18 kilograms.")

    said = await released(talk, question, [hit(question, line, near=0.6)])

    assert said == [f"“{line}” (notes.pdf, page 1)"]


@pytest.mark.parametrize("question", ["Who teaches the course?", "How heavy is the Challenger Deep?"])
async def test_where_the_documents_hold_no_answer_the_model_is_not_even_asked(question: str) -> None:
    talk = Talk("Professor Miller teaches the course.")

    said = await released(talk, question, [hit(question, text) for text in (TRENCH, GRADES)])

    assert said == [NOT_ANSWERED]
    assert talk.taken == 0


async def test_the_model_is_stopped_at_its_first_untruth() -> None:
    question = "How much does the written test count?"
    talk = Talk("The written test counts for 99 percent. " + "And so on. " * 50)

    said = await released(talk, question, [hit(question, GRADES)])

    assert said == ["“The written test counts for 40 percent of the grade.” (notes.pdf, page 1)"]
    assert talk.closed
    assert talk.taken < 20


async def test_what_was_released_stays_when_a_later_sentence_fails() -> None:
    said = (
        "The written test counts for 40 percent of the grade. The course is taught by Dr. Miller. It is fun."
    )

    assert await answer(said, "How much does the written test count?", GRADES) == (
        "The written test counts for 40 percent of the grade. (notes.pdf, page 1)"
    )


async def test_whole_sentences_leave_as_soon_as_they_are_over() -> None:
    question = "How much does the written test count?"
    first = "The written test counts for 40 percent of the grade."
    talk = Talk(
        f"Sure! The answer is: {first[:1].lower()}{first[1:]} The group presentation counts for 25 percent. "
    )
    pieces = grounded(talk.stream(), question, [hit(question, GRADES)], lambda _: None)

    assert await anext(pieces) == first
    assert not talk.closed
    assert talk.taken < len(talk.pieces)
    await pieces.aclose()
    assert talk.closed


async def test_an_unfinished_last_sentence_is_left_out() -> None:
    said = "The written test counts for 40 percent of the grade. The group presentation counts"

    assert await answer(said, "How much does the written test count?", GRADES) == (
        "The written test counts for 40 percent of the grade. (notes.pdf, page 1)"
    )


async def test_the_marks_of_the_model_are_dropped() -> None:
    said = "The written test counts for 40 percent of the grade [1]."

    assert (await answer(said, "How much does the written test count?", GRADES)).startswith(
        "The written test counts for 40 percent of the grade."
    )


async def test_a_model_that_finds_nothing_is_believed_where_the_evidence_is_weak() -> None:
    hits = [hit("", "The written exam counts for 40 percent.", near=0.5)]

    cited: set[int] = set()
    said = await released(
        Talk("The documents do not answer this question."), "How much is the exam worth?", hits, cited
    )

    assert (said, cited) == ([NOT_ANSWERED], set())


@pytest.mark.parametrize("said", ["", "The written test counts for 40 percent of the grade. Then"])
async def test_the_errors_of_the_model_pass(said: str) -> None:
    question = "How much does the written test count?"
    talk = Talk(said, breaks=True)

    with pytest.raises(ModelFailed):
        await released(talk, question, [hit(question, GRADES)])

    assert talk.closed


async def test_the_source_is_closed_also_when_nobody_listens() -> None:
    talk = Talk("anything")
    source = talk.stream()
    await anext(source)

    await released_nothing(source)

    assert talk.closed


async def released_nothing(source: AsyncGenerator[str]) -> None:
    async with aclosing(grounded(source, "Who teaches?", [], lambda _: None)) as pieces:
        assert [piece async for piece in pieces] == [NOT_ANSWERED]


@given(
    st.lists(
        st.sampled_from(
            (
                "The written test counts for 40 percent of the grade. ",
                "It takes place on 18 June in hall C. ",
                "The test is on 19 June. ",
                "Sure! ",
                "No. ",
                "The group presentation counts for 25 percent.\n",
                "e.g. 3.5 ",
            )
        ),
        max_size=5,
    ).map("".join),
    st.integers(1, 60),
)
async def test_the_cut_of_the_stream_changes_nothing(said: str, size: int) -> None:
    question = "How much does the written test count?"
    hits = [hit(question, GRADES)]

    whole = "".join(await released(Talk(said, max(1, len(said))), question, hits))

    assert "".join(await released(Talk(said, size), question, hits)) == whole
    assert "19" not in whole
    assert set(re.findall(r"\d+", whole)) <= set(re.findall(r"\d+", GRADES)) | {"1"}


@pytest.mark.parametrize(
    ("said", "marks"),
    [
        ("The written test counts for 40 percent of the grade.", {2}),
        ("The written test counts for 99 percent of the grade.", {2}),  # quoted instead
        ("", {2}),
    ],
)
async def test_the_passages_are_known_that_bear_an_answer_out(said: str, marks: set[int]) -> None:
    question, cited = "How much does the written test count?", set[int]()
    await released(Talk(said), question, [hit(question, TRENCH), hit(question, GRADES)], cited)
    assert cited == marks
