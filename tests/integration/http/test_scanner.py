"""A scanner sees what is uploaded first (UL-13)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Valkey
from tests.images import a_picture
from tests.integration.house import House, a_house
from tests.integration.http.answers import refusal
from tests.servers.clamd import EICAR, ClamdServer
from tests.servers.llm_service import LlmServiceServer


@pytest.fixture
async def clamd() -> AsyncIterator[ClamdServer]:
    async with ClamdServer() as server:
        yield server


@pytest.fixture
async def house(
    tmp_path: Path, valkey: Valkey, llm: LlmServiceServer, clamd: ClamdServer
) -> AsyncIterator[House]:
    scanner = f"clamd://127.0.0.1:{clamd.port}"
    async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, SCANNER_URL=scanner) as house:
        yield house


async def test_a_virus_is_refused_before_anything_is_made(
    house: House, clamd: ClamdServer, tmp_path: Path
) -> None:
    ann = await house.user()
    notes = tmp_path / "notes.txt"

    notes.write_bytes(b"Osmosis moves water. " + EICAR)
    infected = await ann.upload(notes)
    assert refusal(infected) == (400, "File was refused by the virus scanner", "infected")

    notes.write_bytes(b"Osmosis moves water.")
    clamd.dumb = True
    unchecked = await ann.upload(notes)
    assert refusal(unchecked) == (503, "File could not be checked for viruses", "scanner_unavailable")

    assert await house.sql("SELECT (SELECT count(*) FROM stored_file), (SELECT count(*) FROM session)") == [
        (0, 0)
    ]
    assert not house.settings.upload_dir.exists()

    clamd.dumb = False
    assert (await ann.upload(notes)).status_code == 200
    assert clamd.scanned[1:] == [b"Osmosis moves water."]


async def test_so_is_one_in_a_profile_picture(house: House) -> None:
    ann = await house.user()

    infected = await ann.post("/api/user/avatar", files={"avatar": ("me.png", a_picture() + EICAR)})

    assert refusal(infected) == (400, "File was refused by the virus scanner", "infected")
