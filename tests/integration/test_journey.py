"""The main job, end to end, over HTTP, on real servers."""

from tests.integration.house import House


async def test_register_log_in_ask_and_find_it_all_again(house: House) -> None:
    ann = await house.user("ann@example.org")

    told = await ann.ask("How do plants make sugar?")

    assert told.response.status_code == 200, told.response.text
    assert told.kinds == ["streaming", "finished", "complete"]
    assert told.last["text"] == told.text
    assert told.ids == [f"{told.message}-{n}" for n in range(1, len(told.events) + 1)]
    question, answer = await ann.messages(told.session)
    assert (question["role"], question["content"]) == ("user", "How do plants make sugar?")
    assert (answer["role"], answer["content"], answer["id"]) == ("assistant", told.text, told.message)
    (session,) = (await ann.get("/api/chat/history")).json()
    assert (session["id"], session["title"], session["message_count"]) == (
        told.session,
        "How do plants make sugar?",
        2,
    )

    assert (await ann.post("/api/logout")).json() == {"msg": "Logged out successfully."}
    assert (await ann.get("/api/chat/history")).status_code == 401
