import pytest

from application.ports.passages import Findable
from application.retrieval.naming import Meant, Named, meant, named, refers
from application.retrieval.ranking import AT_HAND, REFERRED
from domain.conversation import SessionId
from domain.document import FileId

HERE, ELSEWHERE = SessionId(1), SessionId(2)
HANDBOOK = Findable(FileId(1), "Handbook.pdf", ELSEWHERE)
LECTURE = Findable(FileId(2), "lecture-03_waves.docx", HERE)
CHINESE = Findable(FileId(3), "光合作用.txt")
PLANTS = Findable(FileId(4), "photosynthesis.md", HERE)
FILES = [HANDBOOK, LECTURE, CHINESE, PLANTS]


@pytest.mark.parametrize(
    ("message", "filename", "how"),
    [
        ("What does handbook.PDF say?", "Handbook.pdf", Named.IN_FULL),
        ("What does my handbook say?", "Handbook.pdf", Named.BY_STEM),
        ("in Ｈandbook.pdf?", "Handbook.pdf", Named.IN_FULL),
        ("about myhandbook.pdf", "Handbook.pdf", Named.NOT),
        ("see lecture 03 waves", "lecture-03_waves.docx", Named.BY_STEM),
        ("see lecture-03_waves", "lecture-03_waves.docx", Named.BY_STEM),
        ("光合作用.txt讲了什么", "光合作用.txt", Named.IN_FULL),
        ("光合作用讲了什么", "光合作用.txt", Named.BY_STEM),
        ("take notes of this", "notes.txt", Named.NOT),  # just any word
        ("read notes.txt", "notes.txt", Named.IN_FULL),
        ("a", "", Named.NOT),
    ],
)
def test_a_file_is_named(message: str, filename: str, how: Named) -> None:
    assert named(message, [filename, "other.bin"]) == [how, Named.NOT]


@pytest.mark.parametrize(
    ("question", "session", "files"),
    [
        ("What does handbook.pdf say about waves?", HERE, Meant(only=frozenset([HANDBOOK.id]))),
        (
            "Compare Handbook.pdf and 光合作用.txt.",
            None,
            Meant(only=frozenset([HANDBOOK.id, CHINESE.id])),
        ),
        ("What is photosynthesis?", None, Meant(first=frozenset([PLANTS.id]), weight=REFERRED)),
        ("Who wrote it?", HERE, Meant(first=frozenset([LECTURE.id, PLANTS.id]), weight=REFERRED)),
        ("What stands on page 3?", HERE, Meant(first=frozenset([LECTURE.id, PLANTS.id]), weight=REFERRED)),
        ("Why are waves blue?", HERE, Meant(first=frozenset([LECTURE.id, PLANTS.id]), weight=AT_HAND)),
    ],
)
def test_a_question_means(question: str, session: SessionId | None, files: Meant) -> None:
    assert meant(question, session, FILES) == files


def test_without_a_session_no_file_is_at_hand() -> None:
    assert not meant("Why are waves blue?", None, FILES).first
    assert not meant("Why are waves blue?", SessionId(9), FILES).first
    assert meant("Why are waves blue?", HERE, []).only is None


@pytest.mark.parametrize(
    "message", ["Summarise the attached one", "第 3 章", "What is this?", "Fig. 2 please"]
)
def test_refers_to_what_is_at_hand(message: str) -> None:
    assert refers(message)


@pytest.mark.parametrize("message", ["Why are leaves green?", f"{'word ' * 12}it"])
def test_refers_to_nothing(message: str) -> None:
    assert not refers(message)
