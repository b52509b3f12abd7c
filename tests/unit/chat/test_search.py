from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from application.chat.search import MOST_WORDS, SNIPPET_MAX, SearchMessages, snippet
from domain.errors import RateLimited
from domain.words import words
from tests.builders import a_message
from tests.unit.chat.room import Room


class TestSnippet:
    def test_of_a_short_text_is_the_text_on_one_line(self) -> None:
        assert snippet("Plants  have\n\ncell walls.", ["cell"]) == "Plants have cell walls."

    def test_of_a_long_text_shows_the_hit(self) -> None:
        text = "x " * 500 + "the Cell wall " + "y " * 500
        shown = snippet(text, ["wall", "cell"])
        assert shown.startswith("…x x")
        assert shown.endswith("y y…")
        assert "the Cell wall" in shown
        assert SNIPPET_MAX - 1 <= len(shown) <= SNIPPET_MAX

    def test_shows_where_a_word_begins_rather_than_where_it_stands_within_another(self) -> None:
        text = "excellent " * 100 + "cell"
        assert snippet(text, ["cell"]).endswith("cell")

    def test_shows_the_beginning_where_a_word_is_written_otherwise(self) -> None:
        assert snippet("ＴＣＰ is a protocol", ["tcp"]) == "ＴＣＰ is a protocol"
        assert snippet("x" * 500, []) == "x" * (SNIPPET_MAX - 1) + "…"

    @given(st.text(max_size=3000), st.text(max_size=20))
    @example("a" * 300 + "\n" * 2000 + "b", "a")
    @example("İstanbul" * 200, "i")
    def test_is_always_short_and_on_one_line(self, content: str, query: str) -> None:
        shown = snippet(content, words(query))
        assert len(shown) <= SNIPPET_MAX
        assert len(shown.splitlines()) <= 1
        if len(content) <= 60:
            assert shown == " ".join(content.split())


async def test_looks_for_each_word_once_and_for_not_too_many(room: Room) -> None:
    ann, search = await room.someone(), SearchMessages(reading=room.reading, throttle=room.throttle)
    session = await room.session_of(ann)
    async with room.work() as w:
        w.messages.add(a_message(session, " ".join(f"word{n}" for n in range(MOST_WORDS))))
        await w.commit()
    query = " ".join(f"WORD{n} word{n}" for n in range(MOST_WORDS))
    found = await search(ann, f"{query} more than that", 10, 0)
    assert found.total == 1
    assert found.items[0].snippet.startswith("word0 word1")
    for nothing in ("", "  ", "?!"):
        assert (await search(ann, nothing, 10, 0)).total == 0


async def test_may_be_asked_sixty_times_a_minute(room: Room) -> None:
    ann, ben = await room.someone(), await room.someone("ben@example.org")
    search = SearchMessages(reading=room.reading, throttle=room.throttle)
    for _ in range(60):
        await search(ann, "word", 10, 0)
    with pytest.raises(RateLimited):
        await search(ann, "word", 10, 0)
    await search(ben, "word", 10, 0)
    room.clock.pass_(timedelta(minutes=1))
    await search(ann, "word", 10, 0)
