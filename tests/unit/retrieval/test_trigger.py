import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.retrieval.trigger import KEYWORDS, Trigger, trigger

FILES = ["Lecture Notes 3.pdf", "bio.docx", "文档.pdf", "ocean-science.pdf"]


@pytest.mark.parametrize(
    "message",
    [
        "What does the document say?",
        "Compare the DOCUMENTS, please",
        "Which file is it in?",
        "the uploaded one",
        "In the pdf.",
        "doc?",
        "What is its content?",
        "the papers",
        "Which repo?",
        "list all requirements",
        "According  to the lecture",
        "Based on chapter two",
        "请总结这个文档",
        "我上传的资料里有什么",
        "文件在哪里",
        "学习材料",
    ],
)
def test_a_keyword_as_a_whole_word_asks_for_documents(message: str) -> None:
    assert trigger(message, None, []) is Trigger.KEYWORD


@pytest.mark.parametrize(
    "message",
    [
        "The doctor documented it",
        "My profile is new",
        "A newspaper wrote so",
        "I am contented",
        "the docking bay",
        "How do I report it?",
        "a filet of fish",
        "requirementless",
        "基础 according",
        "What is it?",  # without a document in the session "it" refers to none
        "Summarise that.",
    ],
)
def test_a_part_of_a_word_does_not(message: str) -> None:
    assert trigger(message, None, []) is Trigger.NONE


@pytest.mark.parametrize(
    "message",
    [
        "What is in bio.docx about tides, about the moon and about all the other things of last week?",
        "What do lecture notes 3 say on tides and on all the other things that we heard this week?",
        "Explain what ocean science says about salt, in more words than twelve please, not too brief",
        "Look at the attached pages and explain to me in detail how the thing with the tides works",
        "Could you please summarise what we have heard about tides in the last two weeks of the course",
        "I would like a summary of everything that was said about the tides and about the moon today",
        "Explain page 3 to me in a way that a twelve year old child would understand without any help",
        "What is shown in Figure 2 and how does it relate to the things that we heard last week?",
        "Can you explain table 4",
        "chapter IV",
        "section 2.1",
        "第3章讲什么",
        "What is this about?",
        "Explain these to me",
        "Translate it",
    ],
)
def test_a_reference_to_a_document_of_the_session(message: str) -> None:
    assert trigger(message, None, FILES) is Trigger.REFERENCE
    assert trigger(message, None, FILES).asks


@pytest.mark.parametrize(
    "message",
    [
        "What is the derivative of x squared?",
        "How are you today?",
        "Is biology hard?",  # bio.docx has too plain a stem to be a name
        "I was told that when it rains the ground gets wet, so why does the sky not fall as well?",
        "the tables in the room",
        "Who is the chapter president",
    ],
)
def test_no_reference(message: str) -> None:
    assert trigger(message, None, FILES) is Trigger.NONE
    assert not trigger(message, None, FILES).asks


@given(st.text(), st.lists(st.text(), max_size=3))
def test_the_own_wish_decides(message: str, files: list[str]) -> None:
    assert trigger(message, True, files) is Trigger.FORCED
    assert trigger(message, False, files) is Trigger.FORBIDDEN


@given(st.text(alphabet="abcdeinotxy ", max_size=80))
def test_only_whole_words_count(message: str) -> None:
    words = {word.removesuffix("s") for word in message.split()}
    hit = trigger(message, None, [], ["doc", "content"]) is Trigger.KEYWORD

    assert hit == bool(words & {"doc", "content"})


@given(st.text(), st.lists(st.text(), max_size=3))
def test_any_text_can_be_judged(message: str, files: list[str]) -> None:
    assert trigger(message, None, files) in (Trigger.NONE, Trigger.KEYWORD, Trigger.REFERENCE)


def test_the_words_are_a_setting() -> None:
    assert trigger("Schau in die Unterlagen", None, [], ["unterlagen"]) is Trigger.KEYWORD
    assert trigger("the document", None, [], ["unterlagen"]) is Trigger.NONE
    assert trigger("anything", None, [], [""]) is Trigger.NONE
    assert len(KEYWORDS) == 17
