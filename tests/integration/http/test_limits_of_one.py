"""What one user may have at once, however he asks for it."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.house import House, User
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
