from hypothesis import given
from hypothesis import strategies as st

from application.chat.context import (
    MOST_MESSAGES,
    SPEAKER_TOKENS,
    Budget,
    Exchange,
    clipped,
    newest,
    overflows,
    to_summarise,
    tokens,
    untold,
)
from application.ports.persistence import Context, Told
from domain.conversation import MessageId, Speaker

TEXT = st.text(max_size=400) | st.text(alphabet="word 水", min_size=50, max_size=2000)
EXCHANGES = st.lists(
    st.builds(Exchange, question=TEXT, answer=TEXT, upto=st.integers(1, 99).map(MessageId)), max_size=12
)


def said(*texts: str, upto: int | None = None) -> Context:
    """A question, its answer, a question …, numbered from 1."""
    speakers = (Speaker.USER, Speaker.ASSISTANT)
    turns = [Told(MessageId(n), speakers[(n - 1) % 2], text) for n, text in enumerate(texts, 1)]
    return Context(turns, "Before." if upto else None, MessageId(upto) if upto else None)


def test_four_letters_or_one_chinese_character_make_a_token() -> None:
    assert [tokens(text) for text in ("", "a", "abcd", "abcde", "水很深", "ab水")] == [0, 1, 1, 2, 3, 2]


@given(TEXT, st.integers(0, 300))
def test_a_clipped_text_fits_and_a_short_one_stays(text: str, most: int) -> None:
    made = clipped(text, most)
    assert tokens(made) <= most
    assert (made == text) == (tokens(text) <= most)


def test_of_a_long_text_beginning_and_end_are_kept() -> None:
    made = clipped("begin " + "x" * 4000 + " end", 100)
    assert made.startswith("begin ")
    assert made.endswith(" end")
    assert tokens(made) > 90


@given(EXCHANGES, st.integers(0, 900))
def test_what_is_recalled_fits_and_is_the_newest(exchanges: list[Exchange], room: int) -> None:
    kept = newest(exchanges, room)
    assert sum(exchange.cost for exchange in kept) <= room
    assert [exchange.upto for exchange in kept] == [e.upto for e in exchanges[len(exchanges) - len(kept) :]]


@given(EXCHANGES, st.integers(0, 900))
def test_no_exchange_is_recalled_in_part_but_a_very_long_one(exchanges: list[Exchange], room: int) -> None:
    for exchange in newest(exchanges, room):
        whole = next(e for e in exchanges if e.upto == exchange.upto and e.within(room // 2) == exchange)
        assert exchange == whole or whole.cost > room // 2


def test_a_very_long_answer_leaves_room_for_what_came_before() -> None:
    exchanges = untold(said("Who?", "Newton.", "Tell me all.", "word " * 5000))
    kept = newest(exchanges, 400)
    assert [exchange.question for exchange in kept] == ["Who?", "Tell me all."]
    assert kept[1].cost <= 200


def test_a_question_that_nobody_answered_is_left_out() -> None:
    context = Context(
        [
            Told(MessageId(1), Speaker.USER, "Lost?"),
            Told(MessageId(2), Speaker.USER, "Who?"),
            Told(MessageId(3), Speaker.ASSISTANT, "Newton."),
            Told(MessageId(4), Speaker.USER, "Lost again?"),
        ]
    )
    assert untold(context) == [Exchange("Who?", "Newton.", MessageId(3))]


def test_what_the_summary_tells_is_not_told_again() -> None:
    context = said("a?", "a.", "b?", "b.", upto=2)
    assert [exchange.question for exchange in untold(context)] == ["b?"]


def test_the_window_of_the_smallest_model_bounds_all_of_it() -> None:
    budget = Budget(turns=2000, window=4096, answer=300)
    assert budget.room("system", "question") == 2000
    taken = budget.room("s" * 400, "q" * 8000)
    assert taken == 4096 - 300 - 100 - 2000 - 2 * SPEAKER_TOKENS
    assert budget.room("水" * 9000) == 0
    assert Budget(turns=2000).room("水" * 9000) == 2000


class TestOverflow:
    def test_is_what_falls_out_untold(self) -> None:
        short, long = said("a?", "a."), said(*["word " * 40] * 8)
        assert not overflows(short, Budget(turns=200))
        assert overflows(long, Budget(turns=200))

    def test_is_not_what_a_summary_tells(self) -> None:
        assert not overflows(said(*["word " * 40] * 8, upto=6), Budget(turns=200))

    def test_is_what_cannot_be_seen_any_more(self) -> None:
        turns = ["?"] * MOST_MESSAGES
        assert overflows(said(*turns), Budget(turns=100_000))
        assert not overflows(said(*turns, upto=2), Budget(turns=100_000))
        assert not overflows(said(*turns[2:]), Budget(turns=100_000))

    def test_is_of_no_interest_where_nothing_is_recalled(self) -> None:
        assert not overflows(said(*["word " * 40] * 8), Budget(turns=0))

    def test_takes_the_older_half_so_that_the_next_questions_need_none(self) -> None:
        budget = Budget(turns=400)
        context = said(*["word " * 20] * 16)
        falling = to_summarise(context, budget)
        left = said(*["word " * 20] * 16, upto=falling[-1].upto)
        assert 0 < len(falling) < 8
        assert not overflows(left, budget)
        assert sum(e.cost for e in untold(left)) <= budget.turns // 2

    @given(st.integers(0, 900), st.lists(TEXT, max_size=20))
    def test_never_takes_the_last_exchange(self, turns: int, texts: list[str]) -> None:
        context = said(*texts)
        falling, exchanges = to_summarise(context, Budget(turns=turns)), untold(context)
        assert falling == exchanges[: len(falling)]
        assert not exchanges or len(falling) < len(exchanges)
