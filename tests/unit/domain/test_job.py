import pytest

from domain.job import MAX_ATTEMPTS, Job, JobId, JobKind, last_try
from tests.fakes.clock import START


@pytest.mark.parametrize(
    ("payload", "words"),
    [({"names": ["a", "b"]}, ["a", "b"]), ({"names": []}, []), ({"names": "ab"}, []), ({}, [])],
)
def test_words_are_what_the_payload_has_of_them(payload: dict[str, object], words: list[str]) -> None:
    assert Job(JobId(1), JobKind.SWEEP_ORPHANS, payload, 1, START, "w1").words("names") == words


def test_a_moment_comes_back_as_it_was_written() -> None:
    payload: dict[str, object] = {"since": START.isoformat()}
    assert Job(JobId(1), JobKind.RENEW_ARCHIVES, payload, 1, START, "w1").moment("since") == START


@pytest.mark.parametrize("kind", [JobKind.ERASE_FILE, JobKind.ERASE_ACCOUNT, JobKind.SEND_MAIL])
def test_what_was_promised_is_tried_for_ever(kind: JobKind) -> None:
    assert not any(last_try(kind, attempts) for attempts in range(1000))


def test_a_document_is_given_up_after_so_many_tries() -> None:
    tries = [last_try(JobKind.INDEX_DOCUMENT, attempts) for attempts in (MAX_ATTEMPTS - 1, MAX_ATTEMPTS)]
    assert tries == [False, True]
