from application.retrieval.extractive import NOT_ANSWERED, OVERVIEW, Quotation, extractive_answer
from domain.document import Hit
from tests.unit.retrieval.hits import GRADES, TRENCH, hit


def answer(question: str, *hits: Hit) -> str:
    return extractive_answer(question, hits).text


def test_the_best_line_is_quoted_with_its_page() -> None:
    question = "How deep does the Challenger Deep lie?"

    assert answer(question, hit(question, TRENCH, "sea.pdf", 5)) == (
        "“The Challenger Deep lies about 10,935 metres below the surface.” (sea.pdf, page 5)"
    )


def test_without_pages_the_file_alone_is_named() -> None:
    question = "How deep does the Challenger Deep lie?"

    said = answer(question, hit(question, TRENCH, "sea\n.txt", None))

    assert said.endswith("” (sea .txt)")


def test_nothing_is_said_when_nothing_covers_the_question() -> None:
    question = "Who teaches the course?"

    assert extractive_answer(question, [hit(question, GRADES)]) == Quotation(NOT_ANSWERED)
    assert extractive_answer(question, []) == Quotation(NOT_ANSWERED)


def test_a_second_line_is_quoted_for_what_the_first_leaves_open() -> None:
    text = "Nansen noticed that ice drifts to the right of the wind. Ekman explained the observation in 1905."
    question = "Who explained why ice drifts to the right of the wind?"

    said = answer(question, hit(question, text, near=0.7))

    assert said == f"“{text}” (notes.pdf, page 1)"


def test_the_documents_as_a_whole_are_shown_by_their_first_lines() -> None:
    said = answer("Summarise the document", hit("", TRENCH, page=5), hit("", GRADES, page=2))

    assert said.startswith(f"{OVERVIEW} “The written test counts")
    assert "(notes.pdf, page 2) “The Challenger Deep" in said
    assert answer("Summarise the document") == NOT_ANSWERED


def test_the_passages_are_known_that_were_quoted() -> None:
    question = "How deep does the Challenger Deep lie?"
    hits = [hit(question, GRADES), hit(question, TRENCH)]
    assert extractive_answer(question, hits).marks == (2,)

    both = "What is mitosis and what is osmosis?"
    apart = [hit(both, "Osmosis moves water.", page=7), hit(both, "Mitosis divides the cell.", page=9)]
    assert extractive_answer(both, apart).marks == (1, 2)

    pages = [hit("", TRENCH, page=5), hit("", "Brief.", page=1), hit("", GRADES, page=2)]
    assert extractive_answer("Summarise the document", pages).marks == (3, 1)
