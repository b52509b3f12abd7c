"""What one user may have at once, however he asks for it."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.house import House, User, a_house
from tests.integration.http.answers import refusal
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script


@pytest.fixture(autouse=True)
def slowly(llm: LlmServiceServer) -> Iterator[None]:
    llm.script = Script(pieces=["one ", "two"], gap=2.0)
    yield
    llm.script = Script()


async def test_twenty_answers_are_written_for_him_at_a_time(house: House) -> None:
    cleo = await house.user("cleo@example.org")
    answers = await asyncio.gather(
        *(cleo.post("/api/chat/stream", data={"message": f"{n}?"}) for n in range(60))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 20, 429: 40}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refusal(refused)[1:] in (
        ("Too many answers are being written for you. Please wait for one to end.", "rate_limited"),
        ("Too many open streams. Please close some first.", "rate_limited"),
    )
    assert int(refused.headers["retry-after"]) > 0
    assert len((await cleo.get("/api/chat/history")).json()) == 20  # nothing is stored of what was refused


async def test_a_minute_of_his_has_so_many_questions(
    tmp_path: Path, redis: object, valkey_url: str, llm: LlmServiceServer
) -> None:
    llm.script = Script()
    async with a_house(tmp_path, REDIS_URL=valkey_url, LLM_URL=llm.url, CHAT_RATE_PER_MINUTE="2") as house:
        cleo, dora = await house.user("cleo@example.org"), await house.user("dora@example.org")
        session = (await cleo.ask("1?")).session
        assert (await cleo.post("/api/chat", data={"message": "2?", "session_id": session})).is_success
        said = await cleo.messages(session)
        for path in ("chat", "chat/stream", f"chat/{session}/regenerate"):
            answer = await cleo.post(f"/api/{path}", data={"message": "3?", "session_id": session})
            assert refusal(answer) == (429, "Too many requests. Please try again later.", "rate_limited")
            assert 0 < int(answer.headers["retry-after"]) <= 30  # one more every half minute
        assert refusal(await cleo.post("/api/chat", data={"message": "3?"}))[0] == 429
        assert await cleo.messages(session) == said
        assert len((await cleo.get("/api/chat/history")).json()) == 1
        assert (await dora.ask("1?")).kinds == ["streaming", "finished", "complete"]


async def test_sixty_searches_and_tickets_a_minute_are_his(house: House, llm: LlmServiceServer) -> None:
    llm.script = Script()
    cleo, dora = await house.user("cleo@example.org"), await house.user("dora@example.org")
    asked = await cleo.post("/api/chat/stream", data={"message": "What?"})
    message = asked.headers["x-message-id"]

    async def search(who: User) -> httpx.Response:
        return await who.get("/api/chat/search", params={"q": "what"})

    async def ticket(who: User) -> httpx.Response:
        return await who.post(f"/api/chat/stream/{message}/ticket")

    for attempt in (search, ticket):
        answers = [await attempt(cleo) for _ in range(150)]
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses[200] >= 60
        assert set(statuses) == {200, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refusal(refused)[2] == "rate_limited"
        assert int(refused.headers["retry-after"]) > 0
    assert (await search(dora)).status_code == 200
