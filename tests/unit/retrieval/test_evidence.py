import pytest

from application.retrieval.evidence import evidence
from application.retrieval.gate import answering
from application.retrieval.lines import lines
from domain.document import Hit
from tests.unit.retrieval.hits import GRADES, NETWORK, TRENCH, hit


def best(question: str, *texts: str) -> str | None:
    found = evidence(question, [hit(question, text) for text in texts])
    return found[0].line.text if found else None


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("How much does the written test count?", "The written test counts for 40 percent of the grade."),
        ("How much does the presentation count for?", "The group presentation counts for 25 percent."),
        (
            "How deep does the Challenger Deep lie?",
            "The Challenger Deep lies about 10,935 metres below the surface.",
        ),
        ("How many bits has an IPv6 address?", "An IPv4 address has 32 bits, an IPv6 address 128 bits."),
    ],
)
def test_the_line_that_answers_comes_first(question: str, line: str) -> None:
    assert best(question, TRENCH, GRADES, NETWORK) == line


@pytest.mark.parametrize(
    "question",
    [
        "What is the derivative of x squared?",
        "How much does the oral test in Rome count?",  # a name that the passages never mention
        "Who holds the presentation?",  # no person is named
        "How deep is the written test?",  # no length is named
        "When was Jacques Piccard born?",  # another date of his
        "How heavy is the Challenger Deep?",
        "Tell me a joke about the written test",
        "",
    ],
)
def test_what_is_not_there_is_not_found(question: str) -> None:
    assert best(question, TRENCH, GRADES, NETWORK) is None


def test_a_near_line_needs_no_common_words_but_a_far_one_is_none() -> None:
    text = "Salinity averages 35 grams per kilogram."

    assert evidence("Is brine strong?", [hit("", text, near=0.75)])
    assert not evidence("Is salinity 35 grams per kilogram?", [hit("", text, near=0.3)])


def test_where_nearness_is_unknown_the_words_decide() -> None:
    unknown = Hit(filename="a.txt", page=None, text=GRADES, score=0.3)

    assert evidence("How much does the written test count?", [unknown])
    assert not evidence("How much does a ticket to the test match cost?", [unknown])


def test_in_a_script_without_blanks_half_of_the_pairs_are_enough() -> None:
    text = "移栽树苗时常常剪去一部分枝叶，目的就是减少蒸腾。土壤要保持湿润。"
    unknown = Hit(filename="a.txt", page=None, text=text, score=None)

    (found,) = evidence("移栽树苗时为什么要剪掉枝叶？", [unknown])

    assert found.line.text.startswith("移栽树苗")
    assert evidence("苹果树什么时候开花？", [unknown]) == []


def test_across_scripts_only_a_near_line_answers() -> None:
    text = "世界上最大的种子是海椰子，一粒可重18公斤。"
    question = "How heavy is the largest seed of the Seychelles?"  # a name that is written otherwise there

    assert evidence(question, [hit(question, text, near=0.6)])
    assert not evidence(question, [hit(question, text, near=0.5)])
    assert not evidence(question, [Hit(filename="a.txt", page=None, text=text, score=None)])


def test_the_name_of_the_file_tells_what_it_is_about() -> None:
    question = "How far did a Roman courier go in a day?"
    text = "A courier usually made 75 kilometres a day."

    assert evidence(question, [hit(question, text, "roman-roads.txt", near=0.6)])
    assert not evidence(question, [hit(question, text, "persia.txt", near=0.6)])


def test_a_line_that_leans_on_the_one_before_is_quoted_with_it() -> None:
    assert [line.quote.count(".") for line in lines(GRADES)] == [1, 2, 1, 1]


def test_a_repeated_line_counts_once() -> None:
    question = "How much does the written test count?"

    assert len(evidence(question, [hit(question, GRADES), hit(question, GRADES)])) == len(
        evidence(question, [hit(question, GRADES)])
    )


def test_the_gate_lets_the_answering_passages_through_best_first() -> None:
    question = "How much does the written test count?"
    hits = [hit(question, TRENCH), hit(question, GRADES)]

    assert answering(question, hits) == [hits[1]]
    assert answering("Who invented paper?", [hit("Who invented paper?", GRADES)]) == []
    assert answering(question, []) == []


def test_the_gate_opens_for_the_document_as_a_whole() -> None:
    hits = [hit("", GRADES), hit("", TRENCH), hit("", NETWORK)]

    assert answering("What is this document about?", hits) == hits[:2]
    assert answering("What is this document about?", hits, most=5) == hits
