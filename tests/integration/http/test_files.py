"""Files by number (contract 5.2): their bytes, their headers, and their end."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.images import a_bomb, a_picture
from tests.integration.house import House, User, a_house
from tests.integration.http.answers import refusal
from tests.integration.http.logged import Logged
from tests.integration.http.staff import TIM, staff

MB = 1024 * 1024
NOT_FOUND = (404, "File not found", "not_found")
TEXT = "The mitochondrion makes the energy of the cell. 细胞。".encode()
WHOLE = {"deleted_page_embs": 0, "deleted_chunks": 1}


@pytest.fixture(scope="module")
async def tim(home: House) -> User:
    return await staff(home, TIM, "tutor")


async def uploaded(user: User, name: str = "cells.txt", content: bytes = TEXT) -> dict[str, Any]:
    answer = await user.post("/api/chat/upload", files={"file": (name, content)})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def delete(user: User, path: str, **options: Any) -> httpx.Response:
    return await user.house.client.request("DELETE", path, headers=user.headers, **options)


async def fetch(user: User, file: int, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await user.house.client.get(f"/api/files/{file}", headers={**user.headers, **named})


@pytest.fixture(scope="module")
async def cells(ann: User) -> int:
    return int((await uploaded(ann))["file_id"])


# to have it back


@pytest.mark.parametrize("path", ["/api/files/{}", "/api/download/{}", "/api//files/000{}/"])
async def test_its_bytes_and_headers(ann: User, cells: int, path: str) -> None:
    answer = await ann.get(path.format(cells))
    assert (answer.status_code, answer.content) == (200, TEXT)
    headers = answer.headers
    assert headers["content-type"] == "text/plain"
    assert headers["content-length"] == str(len(TEXT))
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''cells.txt"
    assert headers["content-security-policy"] == "sandbox"
    assert headers["cache-control"] == "private"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["accept-ranges"] == "bytes"
    assert re.fullmatch(r'"[0-9a-f]{64}"', headers["etag"])
    assert "content-disposition" in headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("文档 1.txt", "filename*=UTF-8''%E6%96%87%E6%A1%A3%201.txt"),
        ("a\"b;c'd%0d%0a.txt", "filename*=UTF-8''a%22b%3Bc%27d%250d%250a.txt"),
        ("😀.md", "filename*=UTF-8''%F0%9F%98%80.md"),
    ],
)
async def test_any_name_is_one_header(ann: User, name: str, disposition: str) -> None:
    answer = await fetch(ann, (await uploaded(ann, name))["file_id"])
    assert answer.headers["content-disposition"] == f"attachment; {disposition}"


async def test_only_pictures_are_shown_in_place(ann: User) -> None:
    picture = a_picture()
    answer = await fetch(ann, (await uploaded(ann, "cell.png", picture))["file_id"])
    assert answer.content == picture
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''cell.png"
    page = b"# <script>alert(1)</script>"
    answer = await fetch(ann, (await uploaded(ann, "page.md", page))["file_id"])
    assert answer.headers["content-type"] == "text/markdown"
    assert answer.headers["content-disposition"].startswith("attachment")


async def test_messages_say_where_it_is(ann: User) -> None:
    told = await uploaded(ann)
    (message,) = await ann.messages(told["session_id"])
    assert message["file_url"] == f"/api/files/{told['file_id']}"
    assert (await ann.get(message["file_url"])).content == TEXT


@pytest.mark.parametrize(
    ("asked", "content", "sent"),
    [
        ("bytes=4-17", f"bytes 4-17/{len(TEXT)}", TEXT[4:18]),
        ("bytes=-6", f"bytes {len(TEXT) - 6}-{len(TEXT) - 1}/{len(TEXT)}", TEXT[-6:]),
        ("bytes=0-", f"bytes 0-{len(TEXT) - 1}/{len(TEXT)}", TEXT),
        ("bytes=10-", f"bytes 10-{len(TEXT) - 1}/{len(TEXT)}", TEXT[10:]),
    ],
)
async def test_a_part_of_it(ann: User, cells: int, asked: str, content: str, sent: bytes) -> None:
    answer = await fetch(ann, cells, range=asked)
    assert (answer.status_code, answer.content) == (206, sent)
    assert answer.headers["content-range"] == content
    assert answer.headers["content-length"] == str(len(sent))
    assert answer.headers["content-security-policy"] == "sandbox"


async def test_a_part_beyond_its_end(ann: User, cells: int) -> None:
    answer = await fetch(ann, cells, range="bytes=9999-")
    assert refusal(answer) == (416, "Range not satisfiable", "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(TEXT)}"


async def test_who_has_it_already_gets_nothing(ann: User, cells: int) -> None:
    etag = (await fetch(ann, cells)).headers["etag"]
    answer = await fetch(ann, cells, if_none_match=etag)
    assert (answer.status_code, answer.content) == (304, b"")
    assert (answer.headers["etag"], answer.headers["cache-control"]) == (etag, "private")
    assert (await fetch(ann, cells, if_none_match='"other"')).status_code == 200
    assert (await fetch(ann, cells, if_range=etag, range="bytes=0-3")).status_code == 206
    assert (await fetch(ann, cells, if_range='"other"', range="bytes=0-3")).status_code == 200
    assert refusal(await fetch(ann, cells, if_match='"other"'))[:2] == (412, "The content has changed")


async def test_its_head_alone(ann: User, cells: int) -> None:
    answer = await ann.house.client.head(f"/api/files/{cells}", headers=ann.headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(TEXT))
    part = await ann.house.client.head(f"/api/files/{cells}", headers={**ann.headers, "Range": "bytes=0-4"})
    assert (part.status_code, part.headers["content-length"]) == (206, "5")


async def test_large_ones_come_whole_and_may_be_left_half_way(ann: User) -> None:
    content = b"ID3\x04" + bytes(range(256)) * 40_000
    file = (await uploaded(ann, "song.mp3", content))["file_id"]
    assert (await fetch(ann, file)).content == content
    assert (await fetch(ann, file, range="bytes=5000000-5999999")).content == content[5_000_000:6_000_000]
    client = ann.house.client
    for _ in range(5):
        async with client.stream("GET", f"/api/files/{file}", headers=ann.headers) as answer:
            await anext(answer.aiter_raw())
    assert (await fetch(ann, file)).content == content


@pytest.mark.parametrize("file", ["0", "999999", "x", "-1", "1.0", "9223372036854775808", "%31", "1%2F2"])
async def test_what_is_no_file(bob: User, file: str) -> None:
    for path in (f"/api/files/{file}", f"/api/download/{file}"):
        assert (await bob.get(path)).status_code == 404
    assert refusal(await bob.get(f"/api/files/{'1' * 30}")) == NOT_FOUND


async def test_anothers_is_not_found(ann: User, bob: User, tim: User, cells: int) -> None:
    for user in (bob, tim):
        assert refusal(await fetch(user, cells)) == NOT_FOUND
        assert refusal(await user.get(f"/api/download/{cells}")) == NOT_FOUND
        assert refusal(await fetch(user, cells, range="bytes=0-1")) == NOT_FOUND
        assert refusal(await delete(user, f"/api/files/{cells}")) == NOT_FOUND
    assert (await fetch(ann, cells)).content == TEXT


async def test_nobody_gets_it_without_a_token(home: House, cells: int) -> None:
    for path in (f"/api/files/{cells}", f"/api/download/{cells}"):
        assert (await home.client.get(path)).status_code == 401
        assert (await home.client.get(f"{path}?ticket=x")).status_code == 401


async def test_bytes_that_are_gone(ann: User) -> None:
    file = (await uploaded(ann))["file_id"]
    ((name,),) = await ann.house.sql(f"SELECT disk_name FROM stored_file WHERE id = {file}")
    (path,) = Path(ann.house.settings.upload_dir).rglob(name)
    await asyncio.to_thread(path.unlink)
    assert refusal(await fetch(ann, file)) == NOT_FOUND
    assert (await ann.house.client.head(f"/api/files/{file}", headers=ann.headers)).status_code == 404
    (listed,) = (await ann.get("/api/user_files", params={"limit": 1})).json()["files"]
    assert (listed["file_id"], listed["size"]) == (file, 0)
    assert (await delete(ann, f"/api/files/{file}")).status_code == 200


async def test_bytes_that_cannot_be_had_for_now(ann: User, logs: Logged) -> None:
    file = (await uploaded(ann))["file_id"]
    ((name,),) = await ann.house.sql(f"SELECT disk_name FROM stored_file WHERE id = {file}")
    (path,) = Path(ann.house.settings.upload_dir).rglob(name)
    aside = path.rename(path.with_name("aside"))
    path.mkdir()
    for answer in (await fetch(ann, file), await fetch(ann, file, range="bytes=0-3")):
        assert refusal(answer) == (503, "File cannot be read right now", "storage_unavailable")
    assert (await ann.house.client.head(f"/api/files/{file}", headers=ann.headers)).status_code == 503
    assert [line for line in logs.lines if line["level"] == "error"] == []
    path.rmdir()
    aside.rename(path)
    assert (await fetch(ann, file)).content == TEXT


# its end


async def newest(user: User, name: str) -> int:
    """Its number, as soon as it is listed."""
    for _ in range(500):
        files = (await user.get("/api/user_files", params={"limit": 1})).json()["files"]
        if files and files[0]["filename"] == name:
            return int(files[0]["file_id"])
        await asyncio.sleep(0.02)
    raise AssertionError(f"no {name}")


async def test_a_deleted_file_leaves_everything_at_once(house: House) -> None:
    ann = await house.user()
    told = await uploaded(ann)
    answer = await delete(ann, f"/api/files/{told['file_id']}", json={"reason": "old"})
    assert answer.json() == {"msg": "File deleted", **WHOLE}
    assert (await ann.get("/api/user_files")).json()["files"] == []
    (message,) = await ann.messages(told["session_id"])
    assert message["content"] == "Uploaded document: cells.txt"
    assert (message["file_type"], message["file_path"]) == (None, None)
    assert not {"file_id", "file_url"} & set(message)
    assert refusal(await fetch(ann, told["file_id"])) == NOT_FOUND
    assert refusal(await delete(ann, f"/api/files/{told['file_id']}")) == NOT_FOUND
    for table in ("stored_file", "passage"):
        assert await house.sql(f"SELECT count(*) FROM {table}") == [(0,)]
    assert [path for path in Path(house.settings.upload_dir).rglob("*") if path.is_file()] == []


async def test_a_deleted_file_was_no_question(ann: User) -> None:
    told = await uploaded(ann)
    await delete(ann, f"/api/files/{told['file_id']}")
    answer = await ann.post(f"/api/chat/{told['session_id']}/regenerate")
    assert refusal(answer)[:2] == (400, "There is no question to answer again")


async def test_of_many_who_delete_it_one_does(ann: User) -> None:
    file = (await uploaded(ann))["file_id"]
    answers = await asyncio.gather(*(delete(ann, f"/api/files/{file}") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 7


async def test_an_upload_that_is_deleted_while_it_is_indexed_stays_deleted(ann: User) -> None:
    text = "\n\n".join(f"Cell {n} is made of cell {n + 1}." for n in range(3000)).encode()
    sending = asyncio.create_task(uploaded(ann, "many.txt", text))
    file = await newest(ann, "many.txt")
    answer = await delete(ann, f"/api/files/{file}")
    assert answer.json()["msg"] == "File deleted"
    await sending
    assert refusal(await fetch(ann, file)) == NOT_FOUND
    listed = (await ann.get("/api/user_files")).json()["files"]
    assert "many.txt" not in [file["filename"] for file in listed]


# how much


async def test_pictures_have_a_bounded_number_of_pixels(ann: User) -> None:
    answer = await ann.post("/api/chat/upload", files={"file": ("bomb.png", a_bomb())})
    assert refusal(answer) == (400, "Image has too many pixels (max 100 megapixels)", "bad_file")


async def test_a_user_has_a_quota(tmp_path: Path, redis: object, valkey_url: str) -> None:
    limits = {"USER_FILES_MAX": "3", "USER_FILES_MB": "1", "RAG_INDEX_WAIT_SECONDS": "0"}
    async with a_house(tmp_path, REDIS_URL=valkey_url, **limits) as house:
        ann, bob = await house.user(), await house.user("bob@example.org")
        several = [ann.post("/api/chat/upload", files={"file": ("a.txt", TEXT)}) for _ in range(8)]
        answers = await asyncio.gather(*several)
        assert sorted(answer.status_code for answer in answers) == [200] * 3 + [413] * 5
        full = next(answer for answer in answers if answer.status_code == 413)
        many = "You have too many files (max 3). Please delete some first."
        assert refusal(full) == (413, many, "too_large")
        assert refusal(await ann.post("/api/upload", files={"file": ("a.txt", TEXT)}))[1] == many
        for table in ("stored_file", "message", "session"):
            assert await house.sql(f"SELECT count(*) FROM {table}") == [(3,)]
        kept = [path for path in Path(house.settings.upload_dir).rglob("*") if path.is_file()]
        assert len(kept) == 3

        sound = ("a.mp3", b"ID3\x04" + bytes(MB))
        large = await bob.post("/api/chat/upload", files={"file": sound})
        msg = "Your files are too large (max 1 MB). Please delete some first."
        assert refusal(large) == (413, msg, "too_large")
        first = (await ann.get("/api/user_files")).json()["files"][0]["file_id"]
        await delete(ann, f"/api/files/{first}")
        assert (await uploaded(ann))["file_id"]
