"""Whatever may happen only once, asked for many times at once, over HTTP."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.conftest import Valkey
from tests.integration.house import PASSWORD, House, Told, User, a_house
from tests.postgresql import fresh_database
from tests.servers.llm_service import LlmServiceServer

ANN = "ann@example.org"


@pytest.fixture(params=["sqlite", "postgresql"])
async def any_house(
    request: pytest.FixtureRequest, tmp_path: Path, redis: Redis, valkey: Valkey, llm: LlmServiceServer
) -> AsyncIterator[House]:
    """An installation on either database."""
    more = {}
    if request.param == "postgresql":
        more["DATABASE_URL"] = await fresh_database(request.getfixturevalue("postgresql"))
    async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, **more) as house:
        yield house


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


async def code_of(house: House, email: str = ANN) -> str:
    sent = await house.client.post("/api/send_verification", json={"email": email})
    assert sent.status_code == 200, sent.text
    return await house.code_for(email)


async def register(house: House, code: str, email: str = ANN) -> httpx.Response:
    return await house.client.post("/api/register", json={"email": email, "password": PASSWORD, "code": code})


class TestRegistration:
    async def test_of_fifty_with_one_code_one_makes_the_account(self, any_house: House) -> None:
        code = await code_of(any_house)
        found = statuses(await asyncio.gather(*(register(any_house, code) for _ in range(50))))
        assert found[201] == 1
        assert set(found) <= {201, 401, 409, 429}
        await any_house.login(ANN)

    async def test_of_two_hundred_guesses_five_are_judged_and_none_is_right(
        self, house: House, redis: Redis
    ) -> None:
        code = await code_of(house)
        guesses = [f"{n:06d}" for n in range(250) if f"{n:06d}" != code][:200]
        found = statuses(await asyncio.gather(*(register(house, guess) for guess in guesses)))
        assert set(found) == {401, 429}
        assert found[401] <= 20  # the others were not even looked at
        assert redis.keys("code:register:*") == []  # five of them have used it up
        for key in redis.scan_iter("rl:*"):
            redis.delete(key)
        assert (await register(house, code)).status_code == 401


async def whole_or_refused(ann: User, text: str, session: int) -> Told | None:
    """A reply told to its end, or None for a 409."""
    told = await ann.ask(text, session)
    if told.response.status_code == 409:
        assert told.response.json()["code"] == "reply_in_progress"
        return None
    assert told.response.status_code == 200, told.response.text
    assert told.kinds == ["streaming", "finished", "complete"]
    assert "interrupted" not in told.last
    assert told.last["text"] == told.text
    return told


class TestSending:
    async def test_in_one_session_each_is_whole_or_refused(self, any_house: House) -> None:
        ann = await any_house.user()
        session = await ann.new_session()
        asked = [f"Question {n} [[gap=0.01]]" for n in range(6)]
        outcomes = await asyncio.gather(*(whole_or_refused(ann, text, session) for text in asked))
        told = {one.message: one.text for one in outcomes if one}
        assert told

        messages = await ann.messages(session)

        assert [message["role"] for message in messages] == ["user", "assistant"] * len(told)
        assert {message["id"]: message["content"] for message in messages[1::2]} == told
        (line,) = (await ann.get("/api/chat/history")).json()
        assert line["message_count"] == 2 * len(told)

    async def test_in_many_sessions_at_once_nothing_is_mixed_up(self, any_house: House) -> None:
        ann = await any_house.user()
        told = await asyncio.gather(*(ann.ask(f"Question {n} [[gap=0.005]]") for n in range(8)))
        assert len({one.session for one in told}) == len({one.message for one in told}) == 8
        for n, one in enumerate(told):
            question, answer = await ann.messages(one.session)
            assert question["content"] == f"Question {n} [[gap=0.005]]"
            assert (answer["id"], answer["content"]) == (one.message, one.text)


class TestUploading:
    async def test_the_same_name_never_gives_the_same_file(self, any_house: House, tmp_path: Path) -> None:
        ann = await any_house.user()
        session = await ann.new_session()
        file = tmp_path / "notes.txt"
        await asyncio.to_thread(file.write_text, "Osmosis moves water.")
        answers = await asyncio.gather(*(ann.upload(file, session) for _ in range(12)))
        assert statuses(answers) == {200: 12}
        uploads = [answer.json() for answer in answers]
        for unique in ("file_path", "file_id", "message_id"):
            assert len({upload[unique] for upload in uploads}) == 12
        assert {upload["filename"] for upload in uploads} == {"notes.txt"}
        (line,) = (await ann.get("/api/chat/history")).json()
        assert line["message_count"] == 12
