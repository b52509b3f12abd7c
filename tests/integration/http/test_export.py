"""Everything about oneself, as one archive (docs/api-additions.md)."""

import asyncio
import io
import json
import os
import zipfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.integration.house import House, Told, User
from tests.integration.http.answers import ISO, fields_of, refusal
from tests.integration.http.staff import call, staff
from tests.integration.waiting import until

NOT_FOUND = (404, "Export not found", "not_found")


async def ready(user: User) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            answer = await user.get("/api/user/export")
            assert answer.status_code == 200, answer.text
            state = fields_of(answer)
            assert set(state) == {"status", "export_id", "download_url", "expires_at"}
            if state["status"] == "ready":
                return state
            assert (state["status"], state["download_url"], state["expires_at"]) == ("pending", None, None)
            await asyncio.sleep(0.05)


def unpacked(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def blobs(house: House) -> list[Path]:
    return [path for path in Path(house.settings.upload_dir).rglob("*") if path.is_file()]


async def exports(house: House) -> list[tuple[Any, ...]]:
    return await house.sql("SELECT id, ready_at IS NOT NULL, fetched_at IS NOT NULL FROM export")


class TestArchive:
    async def test_holds_everything_of_the_user_and_nothing_of_others(
        self, house: House, tmp_path: Path
    ) -> None:
        ann, ben = await house.user("ann@example.org"), await house.user("ben@example.org")
        for folder, text in (("one", "Cells divide."), ("two", "Cells grow.")):
            (tmp_path / folder).mkdir()
            notes = tmp_path / folder / "Notes.txt"
            notes.write_text(text, "utf-8")
            assert (await ann.upload(notes)).status_code == 200
        await ann.post("/api/user/profile", json={"full_name": "Ann Ökström", "bio": "likes cells"})
        picture = io.BytesIO()
        Image.new("RGB", (8, 8), "red").save(picture, "PNG")
        await ann.post("/api/user/avatar", files={"avatar": ("me.png", picture.getvalue())})
        await ann.post("/api/user/tutor_request", json={"reason": "I teach."})
        told = await ann.ask("What is osmosis?")
        again = Told.from_response(await ann.post(f"/api/chat/{told.session}/regenerate"))
        await house.client.put(f"/api/chat/{told.session}", headers=ann.headers, json={"title": "Water"})
        await ben.ask("What is Ben's secret?")
        state = await ready(ann)

        files = unpacked(await ann.get(state["download_url"]))

        lists = {name: json.loads(content) for name, content in files.items() if name.endswith(".json")}
        assert set(lists) == {
            "account.json", "profile.json", "chat_sessions.json", "messages.json", "files.json",
            "notifications.json", "tutor_requests.json", "safeguards.json", "actions.json",
        }  # read as a table # fmt: skip
        assert files["files/Notes.txt"] == b"Cells divide."
        assert files["files/Notes-2.txt"] == b"Cells grow."
        (name,) = [name for name in files if name.startswith("picture/")]
        assert name.endswith(".png")
        assert lists["account.json"]["email"] == "ann@example.org"
        assert "password_hash" not in lists["account.json"]
        assert ISO.fullmatch(lists["account.json"]["created_at"])
        assert lists["profile.json"]["full_name"] == "Ann Ökström"
        answer = next(m for m in lists["messages.json"] if m["id"] == told.message)
        assert (answer["role"], answer["content"]) == ("assistant", told.text)
        assert answer["superseded_by"] == again.message  # every version, and which one is shown
        newer = next(m for m in lists["messages.json"] if m["id"] == again.message)
        assert (newer["version_of"], newer["superseded_by"]) == (told.message, None)
        assert "Water" in {session["title"] for session in lists["chat_sessions.json"]}
        assert [file["archived_as"] for file in lists["files.json"]] == [
            "files/Notes.txt", "files/Notes-2.txt",
        ]  # read as a table # fmt: skip
        assert [r["reason"] for r in lists["tutor_requests.json"]] == ["I teach."]
        assert {n["title"] for n in lists["notifications.json"]} >= {"Document ready"}
        assert {line["action"] for line in lists["actions.json"]} >= {"create", "login", "update"}
        everything = b"".join(files.values()).decode("latin-1")
        assert "secret" not in everything
        assert "ben@" not in everything
        await gone(house, blobs_left=2)

    async def test_of_somebody_without_anything_is_whole_too(self, house: House) -> None:
        ann = await house.user()
        files = unpacked(await ann.get((await ready(ann))["download_url"]))
        assert json.loads(files["messages.json"]) == []
        assert not any(name.startswith(("files/", "picture/")) for name in files)
        await gone(house)

    async def test_of_an_admin_names_nobody_else(self, house: House) -> None:
        root, ben = await staff(house), await house.user("ben@example.org")
        await ben.post("/api/user/tutor_request", json={"reason": "Ben teaches."})
        await call(root, "POST", "/tutor_requests/1/reject", json={"reason": "Ben does not."})
        await call(root, "PUT", "/users/2", json={"email": "ben.lee@example.org", "full_name": "Ben Lee"})
        await call(root, "DELETE", "/users/2", json={"reason": "Ben left."})

        files = unpacked(await root.get((await ready(root))["download_url"]))

        lines = json.loads(files["actions.json"])
        assert [(line["action"], line["details"]) for line in lines if line["target_user_id"] == 2] == [
            ("update", {"tutor_request": ["pending", "rejected"]}), ("update", {}),
            ("delete", {"role": "student"}),
        ]  # read as a table # fmt: skip
        assert "U002 asks to become a tutor." in files["notifications.json"].decode()
        assert b"ben" not in b"".join(files.values()).lower()


class TestAsking:
    async def test_again_and_again_makes_one(self, house: House) -> None:
        ann = await house.user()
        answers = await asyncio.gather(*(ann.get("/api/user/export") for _ in range(20)))
        assert {answer.json()["export_id"] for answer in answers} == {1}
        state = await ready(ann)
        assert state["export_id"] == 1
        assert state["download_url"] == "/api/user/export/1"
        assert len(await exports(house)) == 1
        jobs = await house.sql("SELECT kind FROM job WHERE kind = 'export_account'")
        assert len(jobs) == 1

    async def test_tells_when_it_is_ready_and_how_long(self, house: House) -> None:
        ann = await house.user()
        state = await ready(ann)
        assert ISO.fullmatch(state["expires_at"])
        left = datetime.fromisoformat(state["expires_at"]) - datetime.now().astimezone()
        assert timedelta(hours=23.9) < left <= timedelta(hours=24)
        (note,) = (await ann.get("/api/user/notifications")).json()["notifications"]
        assert (note["title"], note["type"]) == ("Your data is ready", "success")
        ((kind, state_),) = await house.sql("SELECT kind, state FROM job WHERE dedup_key = 'expire:1'")
        assert (kind, state_) == ("expire_export", "waiting")

    async def test_after_it_was_fetched_makes_another(self, house: House) -> None:
        ann = await house.user()
        first = await ready(ann)
        assert (await ann.get(first["download_url"])).status_code == 200
        assert (await ready(ann))["export_id"] > first["export_id"]

    async def test_has_nothing_of_a_session_that_is_deleted_meanwhile(self, house: House) -> None:
        ann = await house.user()
        told = await ann.ask("Quetzalcoatl?")
        first = (await ready(ann))["export_id"]
        await house.client.delete(f"/api/chat/{told.session}", headers=ann.headers)

        async def renewed() -> bool:
            return bool((await ready(ann))["export_id"] > first)

        await until(renewed)
        contents = unpacked(await ann.get((await ready(ann))["download_url"]))
        assert not [name for name, content in contents.items() if b"Quetzalcoatl" in content]

    async def test_while_it_is_fetched_makes_no_other(self, house: House) -> None:
        ann = await house.user()
        state = await ready(ann)
        await house.sql("UPDATE export SET fetched_at = ready_at")  # as while it is sent
        answer = await ann.get("/api/user/export")
        assert answer.json() == {
            "status": "pending", "export_id": state["export_id"], "download_url": None, "expires_at": None,
        }  # read as a table # fmt: skip
        assert refusal(await ann.get(state["download_url"])) == NOT_FOUND

    async def test_makes_twenty_a_day(self, house: House) -> None:
        ann = await house.user()
        for n in range(1, 21):
            state = await ready(ann)
            assert state["export_id"] == n
            assert (await ann.get(state["download_url"])).status_code == 200
            await gone(house)
        answer = await ann.get("/api/user/export")
        assert refusal(answer) == (429, "Too many requests. Please try again later.", "rate_limited")
        assert 3600 < int(answer.headers["retry-after"]) <= 4320
        assert await exports(house) == []


class TestFetching:
    async def test_is_for_once(self, house: House) -> None:
        ann = await house.user()
        url = (await ready(ann))["download_url"]

        answer = await ann.get(url)

        assert answer.headers["content-type"] == "application/zip"
        assert answer.headers["content-length"] == str(len(answer.content))
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["content-disposition"].startswith('attachment; filename="virtual-tutor-')
        assert answer.headers["x-content-type-options"] == "nosniff"
        unpacked(answer)
        await gone(house)
        assert refusal(await ann.get(url)) == NOT_FOUND

    async def test_head_takes_nothing(self, house: House) -> None:
        ann = await house.user()
        url = (await ready(ann))["download_url"]
        await house.client.head(url, headers=ann.headers)
        head = await house.client.head(url, headers=ann.headers)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-type"] == "application/zip"
        assert await exports(house) == [(1, 1, 0)]
        answer = await ann.get(url)
        assert answer.headers["content-length"] == head.headers["content-length"]
        unpacked(answer)
        await gone(house)

    async def test_is_the_owners_alone(self, house: House) -> None:
        ann, ben = await house.user("ann@example.org"), await house.user("ben@example.org")
        url = (await ready(ann))["download_url"]
        assert refusal(await ben.get(url)) == NOT_FOUND
        unpacked(await ann.get(f"/api/user/export/00{url.rpartition('/')[2]}"))
        await gone(house)

    @pytest.mark.parametrize(
        "id", ["0", "2", "x", "-1", "1.0", "9223372036854775808", "99999999999999999999"]
    )
    async def test_of_what_is_not_there(self, home: House, ann: User, id: str) -> None:
        assert refusal(await ann.get(f"/api/user/export/{id}")) == NOT_FOUND

    async def test_before_it_is_ready(self, house: House) -> None:
        ann = await house.user()
        await house.sql(
            "INSERT INTO export (id, user_id, disk_name, created_at)"
            " VALUES (7, 1, 'not-there-yet', '2026-01-01 00:00:00')"
        )
        assert (await ann.get("/api/user/export")).json() == {
            "status": "pending", "export_id": 7, "download_url": None, "expires_at": None,
        }  # read as a table # fmt: skip
        assert refusal(await ann.get("/api/user/export/7")) == NOT_FOUND

    async def test_by_many_at_once_gives_it_to_one(self, house: House) -> None:
        ann = await house.user()
        url = (await ready(ann))["download_url"]
        answers = await asyncio.gather(*(ann.get(url) for _ in range(10)))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 404: 9}
        await gone(house)

    async def test_that_breaks_off_can_be_repeated(self, house: House, tmp_path: Path) -> None:
        ann = await house.user()
        await large_upload(ann, tmp_path)
        url = (await ready(ann))["download_url"]

        await break_off(house, ann, url)

        async def given_back() -> bool:
            return await exports(house) == [(1, 1, 0)]

        await until(given_back)
        unpacked(await ann.get(url))
        await gone(house, blobs_left=1)

    async def test_of_one_whose_bytes_were_lost_makes_room_for_another(self, house: House) -> None:
        ann = await house.user()
        url = (await ready(ann))["download_url"]
        for blob in blobs(house):
            blob.unlink()
        assert refusal(await ann.get(url)) == NOT_FOUND
        assert (await ready(ann))["export_id"] == 2


async def gone(house: House, blobs_left: int = 0) -> None:
    """Row and bytes, once the transfer was settled."""

    async def settled() -> bool:
        return not await exports(house) and len(blobs(house)) == blobs_left

    await until(settled)


async def large_upload(user: User, folder: Path) -> None:
    """More than the buffers of a line hold, and of a kind that does not get smaller in an archive."""
    file = folder / "noise.wav"
    noise = b"RIFF\xff\xff\xff\x7fWAVEfmt " + os.urandom(30_000_000)
    await asyncio.to_thread(file.write_bytes, noise)
    uploaded = await user.upload(file)
    assert uploaded.status_code == 200, uploaded.text


async def break_off(house: House, user: User, url: str) -> None:
    """Read the beginning, then hang up."""
    host, _, port = house.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    token = user.headers["Authorization"]
    writer.write(f"GET {url} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    await reader.readexactly(1000)
    await asyncio.sleep(1)
    writer.transport.abort()
