"""A reply's life, over everything that can happen to it in any order."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from application.chat.reply import Reply, ReplyHasEnded, ReplyState
from application.ports.language_model import ModelFailed, ModelSilent
from domain.conversation import MessageId, SessionId, Source
from domain.errors import DomainError, ShuttingDown
from domain.text import storable
from tests.unit.chat.room import numbers, told

pieces = st.text(st.characters(categories=None) | st.sampled_from("\x00\ud83c\udf93\ufeff"), max_size=30)


def a_reply() -> Reply:
    return Reply(SessionId(3), MessageId(8))


def events_of(reply: Reply) -> list[dict[str, Any]]:
    return told(reply.log)


class Life(RuleBasedStateMachine):
    """Whoever says, cites, completes, stops or fails a reply, and however often: its log is one story."""

    def __init__(self) -> None:
        super().__init__()
        self.reply = a_reply()
        self.seen: list[bytes] = []
        self.end: tuple[str, DomainError | None] | None = None

    @rule(piece=pieces)
    def say(self, piece: str) -> None:
        if self.end:
            with pytest.raises(ReplyHasEnded):
                self.reply.say(piece)
        else:
            self.reply.say(piece)

    @rule(names=st.lists(st.sampled_from(["a.pdf", "文.md"]), max_size=3))
    def cite(self, names: list[str]) -> None:
        self.reply.cite([Source(n, name, n, 0.5, "…") for n, name in enumerate(names, 1)])

    @rule()
    def complete(self) -> None:
        self.reply.complete()
        self.end = self.end or ("complete", None)

    @rule()
    def interrupt(self) -> None:
        self.reply.interrupt()
        self.end = self.end or ("interrupted", None)

    @rule(refusal=st.sampled_from([ModelFailed(), ModelSilent(), ShuttingDown(), DomainError()]))
    def fail(self, refusal: DomainError) -> None:
        self.reply.fail(refusal)
        self.end = self.end or ("failed", refusal)

    @invariant()
    def the_log_only_grows(self) -> None:
        assert self.reply.log[: len(self.seen)] == self.seen
        self.seen = list(self.reply.log)

    @invariant()
    def its_events_are_numbered_in_order(self) -> None:
        assert numbers(self.reply.log) == list(range(1, len(self.reply.log) + 1))

    @invariant()
    def the_text_is_what_the_chunks_say(self) -> None:
        chunks = [event["chunk"] for event in events_of(self.reply) if event["status"] == "streaming"]
        assert self.reply.text == "".join(chunks)
        assert all(chunks)
        assert storable(self.reply.text) == self.reply.text

    @invariant()
    def sources_come_once_and_first(self) -> None:
        places = [n for n, event in enumerate(events_of(self.reply)) if event["status"] == "sources"]
        assert places in ([], [0])
        assert (self.reply.sources is not None) == bool(places)

    @invariant()
    def it_ends_once_and_with_complete(self) -> None:
        log = events_of(self.reply)
        farewells = [event for event in log if event["status"] in ("finished", "error", "complete")]
        assert self.reply.ended == (self.end is not None)
        if self.end is None:
            assert farewells == []
            return
        state, refusal = self.end
        assert farewells == log[-2:]
        farewell, complete = farewells
        assert self.reply.state == state
        assert self.reply.failure is refusal
        assert farewell == (
            {"status": "error", "error": refusal.msg, "code": refusal.event}
            if refusal
            else {"status": "finished"}
        )
        assert (complete["session_id"], complete["message_id"]) == (3, 8)
        assert complete["text"] == self.reply.text
        assert complete.get("interrupted", False) is (state != "complete")

    @precondition(lambda self: not self.end)
    @invariant()
    def it_answers_once_it_has_said_something(self) -> None:
        assert (self.reply.state is ReplyState.ANSWERING) == bool(self.reply.text)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


@given(st.text(st.characters(categories=None) | st.sampled_from("\ud83c\udf93\U0001f393\ufeff")), st.data())
def test_however_a_text_is_cut_into_pieces_the_same_is_said(text: str, data: st.DataObject) -> None:
    # as a model's bytes can be cut: also in the middle of a surrogate pair
    units = text.encode("utf-16-le", "surrogatepass")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(units) // 2), max_size=6)))
    reply, at = a_reply(), 0
    for cut in [*cuts, len(units) // 2]:
        reply.say(units[2 * at : 2 * cut].decode("utf-16-le", "surrogatepass"))
        at = cut
    whole = storable(units.decode("utf-16-le", "replace"))
    assert reply.text == whole or (reply.text + "\ufffd" == whole and "\ud800" <= text[-1] <= "\udbff")


def test_an_empty_piece_is_no_answer() -> None:
    reply = a_reply()
    reply.say("")
    assert (reply.state, reply.log[:]) == (ReplyState.ASKED, [])


def test_nothing_is_cited_after_the_first_word() -> None:
    reply = a_reply()
    reply.say("Well")
    reply.cite([Source(1, "a.pdf", None, None, "")])
    assert reply.sources is None


def test_the_first_refusal_is_the_one_that_counts() -> None:
    reply = a_reply()
    first = ModelFailed()
    reply.fail(first)
    reply.fail(DomainError())
    assert reply.failure is first
