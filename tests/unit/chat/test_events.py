"""Golden bytes of contract 10."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from application.chat import events
from application.ports.language_model import ModelFailed, ModelSilent, ModelTimeout, ModelUnreachable
from domain.conversation import MAX_ID, MessageId, SessionId, Source
from domain.errors import DomainError, ShuttingDown, StorageUnavailable

said = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from('\n"\\\u2028é字\U0001f393\x7f'), min_size=1
)
long = st.builds(lambda text, n: text * n, said, st.integers(1, 400))


def frame(event: bytes) -> bytes:
    """As it goes over the wire, with the longest id there can be."""
    return events.frame(MessageId(MAX_ID), 99_999_999, event)


class TestFrames:
    def test_have_a_number_each(self) -> None:
        assert events.frame(MessageId(9), 4, b'{"a":1}') == b'id: 9-4\ndata: {"a":1}\n\n'
        assert events.frames(MessageId(9), 4, b"{}", b"[]") == [
            b"id: 9-5\ndata: {}\n\n",
            b"id: 9-6\ndata: []\n\n",
        ]


class TestBytes:
    def test_of_a_chunk(self) -> None:
        text = 'Zwölf "Äpfel"\n\u2028\U0001f393\x7f'
        (chunk,) = events.chunks(text)
        assert events.frame(MessageId(9), 4, chunk) == (
            b'id: 9-4\ndata: {"status":"streaming",'
            b'"chunk":"Zw\\u00f6lf \\"\\u00c4pfel\\"\\n\\u2028\\ud83c\\udf93\\u007f"}\n\n'
        )

    def test_of_the_sources(self) -> None:
        cited = [Source(1, "文.pdf", 3, 0.5, "a b", 7), Source(2, "n.txt", None, None, "")]
        assert events.sources(cited) == (
            b'{"status":"sources","sources":['
            b'{"n":1,"filename":"\\u6587.pdf","page":3,"score":0.5,"snippet":"a b","file_id":7},'
            b'{"n":2,"filename":"n.txt","page":null,"score":null,"snippet":""}]}'
        )

    def test_of_the_end(self) -> None:
        whole = events.complete(SessionId(4), MessageId(9), "Ja.\n", interrupted=False)
        cut = events.complete(SessionId(4), MessageId(9), "", interrupted=True)
        assert events.finished() == b'{"status":"finished"}'
        assert whole == b'{"status":"complete","session_id":4,"message_id":9,"text":"Ja.\\n"}'
        assert cut == b'{"status":"complete","session_id":4,"message_id":9,"text":"","interrupted":true}'

    @pytest.mark.parametrize(
        ("refusal", "expected"),
        [
            (DomainError(), b'{"status":"error","error":"Internal Server Error","code":"internal"}'),
            (
                ModelUnreachable(),
                b'{"status":"error","error":"The tutor is not available right now. Please try again.",'
                b'"code":"llm_unreachable"}',
            ),
            (
                ModelSilent(),
                b'{"status":"error","error":"The tutor is not available right now. Please try again.",'
                b'"code":"llm_empty"}',
            ),
            (
                StorageUnavailable(),
                b'{"status":"error","error":"Service temporarily unavailable","code":"storage_unavailable"}',
            ),
            (
                ShuttingDown(),
                b'{"status":"error","error":"Service temporarily unavailable","code":"shutting_down"}',
            ),
        ],
    )
    def test_of_an_error(self, refusal: DomainError, expected: bytes) -> None:
        assert events.error(refusal) == expected


class TestChunks:
    @given(said | long)
    @example("x" * 1118)
    @example("x" * 1119)
    @example("\U0001f393" * 5000)
    @example("\\" * 3000)
    def test_say_the_text_in_small_whole_ascii_events(self, text: str) -> None:
        made = events.chunks(text)
        chunks = [json.loads(event) for event in made]
        assert "".join(chunks) == text
        for event, chunk in zip(made, chunks, strict=True):
            assert chunk
            assert chunk.encode()  # no half of a surrogate pair
            assert event.isascii()
            assert b"\n" not in event
            assert b'\ndata: {"status":"streaming","chunk":"' in frame(event)
            assert len(frame(event)) <= events.CHUNK_EVENT_MAX

    def test_a_long_piece_becomes_several(self) -> None:
        assert len(events.chunks("x" * 1118)) == 1
        assert len(events.chunks("x" * 1119)) > 1


class TestSaid:
    @given(st.lists(said, max_size=6))
    def test_is_what_the_events_carry(self, pieces: list[str]) -> None:
        cited = [Source(1, "a.pdf", None, 0.25, "…")]
        chunks = [chunk for piece in pieces for chunk in events.chunks(piece)]
        end = events.complete(SessionId(1), MessageId(2), "ignored", interrupted=False)
        log = events.frames(MessageId(2), 0, events.sources(cited), *chunks, events.finished(), end)
        text, sources = events.said(log)
        assert text == "".join(pieces)
        assert sources == [{"n": 1, "filename": "a.pdf", "page": None, "score": 0.25, "snippet": "…"}]

    def test_of_nothing_is_nothing(self) -> None:
        assert events.said([]) == ("", None)


class TestWhatALogSays:
    SAID = tuple(events.chunks('"status":"complete" \u2028'))

    def log(self, *told: bytes) -> list[bytes]:
        return events.frames(MessageId(2), 0, *told)

    def end(self, text: str = "", *, interrupted: bool = False) -> bytes:
        return events.complete(SessionId(1), MessageId(2), text, interrupted=interrupted)

    def test_whether_it_speaks(self) -> None:
        assert not events.speaks([])
        assert not events.speaks(self.log(events.sources([]), events.error(ModelSilent()), self.end()))
        assert events.speaks(self.log(events.sources([]), *self.SAID))

    def test_whether_it_is_over(self) -> None:
        for unfinished in ([], self.log(*self.SAID), self.log(*self.SAID, events.finished())):
            assert not events.is_over(unfinished)
        assert events.is_over(self.log(events.finished(), self.end()))

    @given(said, st.booleans())
    def test_how_it_ended(self, text: str, interrupted: bool) -> None:
        end = self.end(text, interrupted=interrupted)
        assert events.outcome(self.log(events.finished(), end)) == (text, interrupted)

    @pytest.mark.parametrize(
        "refusal",
        [
            *(ModelUnreachable(), ModelTimeout(), ModelFailed(), ModelSilent()),
            *(ShuttingDown(), StorageUnavailable(), DomainError()),
        ],
    )
    def test_why_it_failed(self, refusal: DomainError) -> None:
        log = self.log(events.error(refusal), self.end(interrupted=True))
        found = events.failure(log)
        assert type(found) is type(refusal)
        assert events.was_cut_off(log) is (type(refusal) is DomainError)

    def test_that_it_did_not_fail(self) -> None:
        for log in ([], self.log(self.end()), self.log(events.finished(), self.end())):
            assert events.failure(log) is None
            assert not events.was_cut_off(log)

    def test_that_its_worker_could_not_finish_it(self) -> None:
        log = events.cut_off(SessionId(1), MessageId(2), "Hel", 5)
        assert log == [
            b'id: 2-6\ndata: {"status":"error","error":"Internal Server Error","code":"internal"}\n\n',
            b'id: 2-7\ndata: {"status":"complete","session_id":1,"message_id":2,"text":"Hel",'
            b'"interrupted":true}\n\n',
        ]
        assert events.was_cut_off(log)
        assert events.outcome(log) == ("Hel", True)
