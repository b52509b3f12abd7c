import pytest

from application.indexing.standing import Standing, standing
from application.ports.persistence import FileProgress
from domain.document import FileId, IndexState
from domain.job import JobState


@pytest.mark.parametrize(
    ("known", "job", "word"),
    [
        (None, None, Standing.STORED),
        (IndexState.PENDING, JobState.WAITING, Standing.WAITING),
        (IndexState.PENDING, JobState.RUNNING, Standing.INDEXING),
        (IndexState.PENDING, None, Standing.WAITING),
        (IndexState.INDEXED, None, Standing.INDEXED),
        (IndexState.INDEXED, JobState.RUNNING, Standing.INDEXING),
        (IndexState.INDEXED, JobState.WAITING, Standing.WAITING),
        (IndexState.FAILED, None, Standing.FAILED),
        (IndexState.FAILED, JobState.WAITING, Standing.WAITING),
    ],
)
def test_one_word(known: IndexState | None, job: JobState | None, word: Standing) -> None:
    assert standing(FileProgress(FileId(1), "notes.txt", known, None, job)) is word
