from application.documents.extractive import OVERVIEW, extractive_answer
from domain.document import Hit
from tests.unit.documents.hits import GRADES, TRENCH, hit


def answer(question: str, *hits: Hit) -> str | None:
    return extractive_answer(question, hits)


def test_the_best_line_is_quoted_with_its_page() -> None:
    question = "How deep does the Challenger Deep lie?"

    assert answer(question, hit(question, TRENCH, "sea.pdf", 5)) == (
        "“The Challenger Deep lies about 10,935 metres below the surface.” (sea.pdf, page 5)"
    )


def test_without_pages_the_file_alone_is_named() -> None:
    question = "How deep does the Challenger Deep lie?"

    said = answer(question, hit(question, TRENCH, "sea\n.txt", None)) or ""

    assert said.endswith("” (sea .txt)")


def test_nothing_is_said_when_nothing_covers_the_question() -> None:
    question = "Who teaches the course?"

    assert answer(question, hit(question, GRADES)) is None
    assert answer(question) is None


def test_a_second_line_is_quoted_for_what_the_first_leaves_open() -> None:
    text = "Nansen noticed that ice drifts to the right of the wind. Ekman explained the observation in 1905."
    question = "Who explained why ice drifts to the right of the wind?"

    said = answer(question, hit(question, text, near=0.7)) or ""

    assert said == f"“{text}” (notes.pdf, page 1)"


def test_the_documents_as_a_whole_are_shown_by_their_first_lines() -> None:
    said = answer("Summarise the document", hit("", TRENCH, page=5), hit("", GRADES, page=2)) or ""

    assert said.startswith(f"{OVERVIEW} “The written test counts")
    assert "(notes.pdf, page 2) “The Challenger Deep" in said
    assert answer("Summarise the document") is None
