"""No room left (DU-11): uploads and writes are refused, reading goes on, nothing is left half-way."""

import tempfile
from pathlib import Path

from tests.full_disk import no_file_grows_beyond
from tests.integration.house import House
from tests.integration.http.answers import refusal

KB = 1024
A_WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
ROWS = "SELECT (SELECT count(*) FROM stored_file), (SELECT count(*) FROM session), (SELECT count(*) FROM job)"


def temporary() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("vt-upload-*")}


async def test_an_upload_is_refused_and_leaves_nothing(house: House, tmp_path: Path) -> None:
    ann = await house.user()
    kept = (await ann.upload(_file(tmp_path, "small.wav", KB))).json()
    blobs = sorted(house.settings.upload_dir.rglob("*"))
    rows, before = await house.sql(ROWS), temporary()

    large = _file(tmp_path, "large.wav", 900 * KB)
    with no_file_grows_beyond(512 * KB):
        refused = await ann.upload(large)
        read = await ann.get(f"/api/files/{kept['file_id']}")

    assert refusal(refused) == (503, "Failed to save file", "storage_unavailable")
    assert (read.status_code, len(read.content)) == (200, KB)
    assert sorted(house.settings.upload_dir.rglob("*")) == blobs
    assert await house.sql(ROWS) == rows
    assert temporary() <= before
    assert (await ann.upload(large)).status_code == 200


async def test_what_the_database_cannot_write_is_refused_and_the_rest_goes_on(house: House) -> None:
    ann = await house.user()
    session = await ann.new_session()

    with no_file_grows_beyond(1 * KB):
        new = await ann.post("/api/chat/new", json={"title": "Physics"})
        history = await ann.get("/api/chat/history")
        told = await ann.ask("What is osmosis?", session)

    assert refusal(new) == (503, "Service temporarily unavailable", "storage_unavailable")
    assert told.response.status_code == 503
    assert [each["id"] for each in history.json()] == [session]
    assert (await ann.ask("What is osmosis?", session)).last["status"] == "complete"
    assert await house.sql("PRAGMA integrity_check") == [("ok",)]


def _file(folder: Path, name: str, size: int) -> Path:
    path = folder / name
    path.write_bytes(A_WAV + bytes(size - len(A_WAV)))
    return path
