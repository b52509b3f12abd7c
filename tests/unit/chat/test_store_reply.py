"""What is in the database in the end is what readers are told in the end."""

from application.chat.reply import ReplyState
from domain.conversation import MessageState, Source
from tests.unit.chat.room import Room, Worker, ended, heard, told, until


async def test_a_commit_whose_success_was_not_heard_is_ours(room: Room, worker: Worker) -> None:
    running = await worker.ask(await room.someone(), "What?")
    room.database.unheard_commits = 1
    events = told(await heard(running))
    await ended(running)
    assert running.reply.state is ReplyState.COMPLETE
    assert [event["status"] for event in events[-2:]] == ["finished", "complete"]
    assert room.message(running.reply.message).state is MessageState.FINAL
    assert room.tables.sessions[running.reply.session].message_count == 2


async def test_the_text_that_another_stored_is_told_as_the_one_that_counts(
    room: Room, worker: Worker
) -> None:
    room.model.hold_after = 2
    running = await worker.ask(await room.someone(), "What?")
    await until(lambda: running.mirrored == 2)
    await room.worker("theirs").settle(running.reply.session, running.reply.message)
    room.model.release()
    last = told(await heard(running))[-1]
    await ended(running)
    assert running.reply.text == "Hello, world."
    assert (last["status"], last["text"], last["interrupted"]) == ("complete", "Hello, ", True)
    assert room.message(running.reply.message).content == "Hello, "


async def test_the_sources_that_an_answer_cites_are_kept_as_such(room: Room, worker: Worker) -> None:
    room.answers.cites = [Source(n, "a.pdf", n, 0.5, "osmosis is") for n in (1, 2, 3)]
    room.answers.tells = lambda telling: telling.cited.update({3, 1})
    running = await worker.ask(await room.someone(), "What?")
    (shown, *_) = told(await heard(running))
    await ended(running)

    kept = room.message(running.reply.message).sources or []
    assert [one.pop("cited", None) for one in kept] == [True, None, True]
    assert kept == shown["sources"]


async def test_only_who_generated_a_reply_says_that_the_model_has_heard(room: Room, worker: Worker) -> None:
    id = await room.abandoned("Hello, ")
    session = room.tables.sessions[room.message(id).session_id]
    session.memory_is_fresh = True
    await worker.settle(session.id, id)
    assert room.tables.sessions[session.id].memory_is_fresh
    await ended(await worker.ask(session.owner, "And?", session.id))
    assert not room.tables.sessions[session.id].memory_is_fresh
