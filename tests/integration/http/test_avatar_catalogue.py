"""Contract 7.1, row by row, with a real live server."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from dishka import Provider, Scope, provide
from redis.asyncio import Redis

from adapters.http.live_server import LiveServer
from adapters.redis.catalogue_copies import RedisCatalogueCopies
from application.avatars.cached_catalogue import CachedCatalogue
from application.ports.avatar_catalogue import AvatarCatalogue
from entrypoints.settings import Settings
from tests.conftest import Valkey
from tests.free_port import free_port
from tests.integration.house import House, User, a_house, running
from tests.integration.http.answers import refusal
from tests.integration.http.logged import logged
from tests.integration.http.raw import exchange
from tests.integration.http.staff import TIM, id_of, staff
from tests.servers.http import Fault
from tests.servers.live_server import MIRA, LiveServerServer, picture_of

LIST, PREVIEW, MODELS = "/api/avatar/list", "/api/avatar/preview", "/api/tts/models"
ADD, DELETE = "/api/avatar/add", "/api/avatar/delete"
MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(1000)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(100)
BAD_NAMES = [
    "../etc", "..", ".", "a/b", "a\\b", "a b", "$(id)", "`id`", "a;b", "a|b", "a&b", "-rf", "a\nb", "a'b",
    'a"b', "a*", "é", "你好", "x" * 65, "a%2fb", "{a}", "<a>", "a#b",
]  # read as a table # fmt: skip


class Impatient(Provider):
    """A live server that is given up soon."""

    scope = Scope.APP

    @provide(override=True)
    async def catalogue(
        self, http: httpx.AsyncClient, redis: Redis, settings: Settings
    ) -> AsyncIterator[AvatarCatalogue]:
        live = LiveServer(http, settings.live_server_url or "", None, 0.3, 0.3, 0.3, 0.5)
        catalogue = CachedCatalogue(live, RedisCatalogueCopies(redis, live.base_url))
        yield catalogue
        await catalogue.close()


def a_school(folder: Path, redis_url: str, live: str, *overrides: Provider, **environ: str) -> Any:
    nobody = f"http://127.0.0.1:{free_port()}"
    upstreams = {"AVATAR_MANAGER_URL": nobody, "LIVE_SERVER_URL": live, "LLM_URL": nobody}
    return a_house(folder, *overrides, REDIS_URL=redis_url, **upstreams, **environ)


@pytest.fixture(scope="module")
async def one_live() -> AsyncIterator[LiveServerServer]:
    async with LiveServerServer() as server:
        yield server


@pytest.fixture(scope="module")
async def copies(valkey: Valkey) -> AsyncIterator[Redis]:
    async with Redis.from_url(f"{valkey.url}?db=3") as redis:
        await redis.flushdb()
        yield redis


@pytest.fixture(scope="module")
async def school(
    tmp_path_factory: pytest.TempPathFactory, copies: Redis, valkey: Valkey, one_live: LiveServerServer
) -> AsyncIterator[House]:
    async with a_school(tmp_path_factory.mktemp("school"), f"{valkey.url}?db=3", one_live.url) as house:
        yield house


@pytest.fixture(scope="module")
async def hasty(
    tmp_path_factory: pytest.TempPathFactory, valkey: Valkey, one_live: LiveServerServer
) -> AsyncIterator[House]:
    """Another school, which waits for nobody."""
    folder, redis_url = tmp_path_factory.mktemp("hasty"), f"{valkey.url}?db=4"
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
    async with a_school(folder, redis_url, one_live.url, Impatient()) as house:
        yield house


@pytest.fixture(autouse=True)
async def live(one_live: LiveServerServer, copies: Redis) -> LiveServerServer:
    """As new; nothing that it said before is remembered."""
    one_live.avatars = {"test_yongen": MIRA, "g": {**MIRA, "support_clone": True}}
    one_live.making.set()
    one_live.names_only, one_live.takes_s = False, 0.0
    for log in (one_live.faults, one_live.received, one_live.made):
        log.clear()
    await RedisCatalogueCopies(copies, one_live.url).end_edition()
    return one_live


@pytest.fixture(scope="module")
async def ann(school: House) -> User:
    return await school.user()


@pytest.fixture(scope="module")
async def tim(school: House) -> User:
    return await staff(school, TIM, "tutor")


@pytest.fixture(scope="module")
async def tina(hasty: House) -> User:
    return await staff(hasty, TIM, "tutor")


async def add(user: User, name: str | None = "new", **parts: Any) -> httpx.Response:
    """With a face, unless that is None."""
    files = {
        "prompt_face": ("Me!.MP4", MP4),
        **{key: parts.pop(key) for key in list(parts) if "prompt" in key},
    }
    data = {key: value for key, value in {"name": name, **parts}.items() if value is not None}
    return await user.post(ADD, data=data, files={k: v for k, v in files.items() if v is not None})


class TestTheList:
    async def test_it_is_a_bare_object_in_a_stable_order(self, ann: User) -> None:
        answer = await ann.get(LIST)
        assert answer.status_code == 200
        assert list(answer.json()) == ["test_yongen", "g"]
        assert answer.json()["g"] == {
            "clone": True,
            "support_clone": True,
            "description": "Patient with beginners",
            "status": "active",
            "timbre": "FemaleA",
            "tts_model": "edgeTTS",
            "avatar_model": "MuseTalk",
            "avatar_blur": False,
            "created_at": "2025-11-18T10:30:45",
        }
        assert answer.json()["test_yongen"]["clone"] is False

    async def test_an_older_live_server_tells_names(self, ann: User, live: LiveServerServer) -> None:
        live.names_only = True
        assert (await ann.get(LIST)).json() == {
            name: {
                "clone": False,
                "description": f"Avatar: {name}",
                "status": "active",
                "timbre": "",
                "tts_model": "",
                "avatar_model": "",
            }
            for name in ("test_yongen", "g")
        }

    async def test_an_avatar_named_token_replaces_nobodys_login(
        self, ann: User, live: LiveServerServer
    ) -> None:
        live.avatars["token"] = {}
        assert "token" not in (await ann.get(LIST)).json()

    @pytest.mark.parametrize(
        ("fault", "status", "msg"),
        [
            (Fault(hang=True), 504, "Avatar service timeout"),
            (Fault(status=500, body=b'{"detail":"/srv/x"}'), 502, "Avatar service error"),
            (Fault(status=200, body=b'{"status":"error","message":"x"}'), 502, "Avatar service error"),
            (Fault(status=200, body=b"<html>"), 502, "Avatar service error"),
            (Fault(status=503), 503, "Failed to connect to avatar service"),
        ],
    )
    async def test_what_the_live_server_does_not_do(
        self,
        tina: User,
        live: LiveServerServer,
        fault: Fault,
        status: int,
        msg: str,
    ) -> None:
        live.faults["/avatar/get_avatars"] = fault
        answer = await tina.get(LIST)
        assert refusal(answer)[:2] == (status, msg)
        assert "detail" not in answer.json()

    async def test_a_live_server_that_is_not_there(
        self, tmp_path: Path, redis: object, valkey: Valkey
    ) -> None:
        nowhere = f"http://127.0.0.1:{free_port()}"
        async with a_school(tmp_path, valkey.url, nowhere) as house:
            user = await house.user()
            assert refusal(await user.get(LIST)) == (
                503,
                "Failed to connect to avatar service",
                "upstream_unavailable",
            )
            assert refusal(await user.post(PREVIEW, data={"avatar_name": "g"}))[:2] == (
                503,
                "Error forwarding to avatar service",
            )
            tutor = await staff(house, TIM, "tutor")
            for answer in (await add(tutor), await tutor.post(DELETE, data={"name": "g"})):
                assert refusal(answer)[:2] == (503, "Error forwarding to avatar service")

    async def test_where_our_own_manager_does_not_run(
        self, tmp_path: Path, redis: object, valkey: Valkey
    ) -> None:
        async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL="http://127.0.0.1:9") as house:
            answer = await (await house.user()).get(LIST)
            assert refusal(answer)[:2] == (503, "Failed to connect to avatar service")

    async def test_it_is_asked_once_in_ten_seconds_by_all_workers(
        self, school: House, ann: User, live: LiveServerServer
    ) -> None:
        async with running(school.settings) as other:
            for user in (ann, User(other, ann.token)) * 3:
                assert (await user.get(LIST)).status_code == 200
        assert len(live.asked("/avatar/get_avatars")) == 1

    async def test_a_copy_stands_in_while_an_avatar_is_made(
        self, school: House, ann: User, live: LiveServerServer, copies: Redis
    ) -> None:
        before = (await ann.get(LIST)).json()
        (key,) = await copies.keys("avatar:catalogue:*")
        await copies.expire(key, 100)  # now it is old
        live.making.clear()
        async with running(school.settings) as other:
            for user in (ann, User(other, ann.token)):
                async with asyncio.timeout(5):
                    assert (await user.get(LIST)).json() == before

    async def test_a_deleted_avatar_is_shown_by_no_worker(
        self, school: House, ann: User, tim: User, live: LiveServerServer
    ) -> None:
        async with running(school.settings) as other:
            for user in (ann, User(other, ann.token)):
                assert "g" in (await user.get(LIST)).json()
                assert (await user.post(PREVIEW, data={"avatar_name": "g"})).status_code == 200
            assert (await tim.post(DELETE, data={"name": "g"})).status_code == 200
            for user in (ann, User(other, ann.token)):
                assert "g" not in (await user.get(LIST)).json()
                assert (await user.post(PREVIEW, data={"avatar_name": "g"})).status_code == 404


class TestPreviews:
    @pytest.mark.parametrize("how", ["data", "json", "files"])
    async def test_the_picture_comes_as_it_is(self, ann: User, how: str) -> None:
        forms: dict[str, dict[str, Any]] = {
            "data": {"data": {"avatar_name": "g"}},
            "json": {"json": {"avatar_name": "g"}},
            "files": {"files": {"avatar_name": (None, "g")}},
        }
        answer = await ann.post(PREVIEW, **forms[how])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert answer.content == picture_of("g")
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "set-cookie" not in answer.headers

    async def test_it_is_fetched_once(self, ann: User, live: LiveServerServer) -> None:
        for _ in range(3):
            await ann.post(PREVIEW, data={"avatar_name": "g"})
        assert len(live.asked("/avatar/preview")) == 1

    @pytest.mark.parametrize("form", [{}, {"avatar_name": ""}, {"name": "g"}])
    async def test_a_name_is_needed(self, ann: User, live: LiveServerServer, form: dict[str, str]) -> None:
        answer = await ann.post(PREVIEW, data=form)
        assert refusal(answer) == (400, "Missing avatar_name in form-data", "missing_field")
        assert live.received == []

    @pytest.mark.parametrize("name", BAD_NAMES)
    async def test_names_are_checked_before_anything_is_forwarded(
        self, ann: User, tim: User, live: LiveServerServer, name: str
    ) -> None:
        for answer in (
            await ann.post(PREVIEW, data={"avatar_name": name}),
            await tim.post(DELETE, data={"name": name}),
            await add(tim, name),
        ):
            assert refusal(answer) == (400, "Invalid avatar name", "invalid_avatar_name")
        assert live.received == []

    @pytest.mark.parametrize(
        ("fault", "status", "msg"),
        [
            (Fault(status=404, body=b'{"detail":"/srv/g.png"}'), 404, "Failed to get avatar preview"),
            (
                Fault(status=200, body=b"<script>", content_type="text/html"),
                502,
                "Error forwarding to avatar service",
            ),
            (Fault(status=500), 502, "Error forwarding to avatar service"),
            (Fault(hang=True), 504, "Error forwarding to avatar service"),
        ],
    )
    async def test_what_the_live_server_does_not_show(
        self,
        tina: User,
        live: LiveServerServer,
        fault: Fault,
        status: int,
        msg: str,
    ) -> None:
        live.faults["/avatar/preview"] = fault
        answer = await tina.post(PREVIEW, data={"avatar_name": "g"})
        assert refusal(answer)[:2] == (status, msg)


class TestVoices:
    async def test_the_built_in_ones(self, ann: User, live: LiveServerServer) -> None:
        models = (await ann.get(MODELS)).json()
        assert {key: model["full_name"] for key, model in models.items()} == {
            "cosyvoice": "CosyVoice2",
            "edgeTTS": "edgeTTS",
            "tacotron": "TacoTron2",
            "sovits": "GPT-SoViTs",
        }
        for model in models.values():
            assert set(model) == {"full_name", "clone", "status", "license", "timbres", "cur_timbre"}
            assert (model["timbres"] is None) == model["clone"] == (model["cur_timbre"] is None)
        assert models["edgeTTS"]["timbres"] == [
            "Default",
            *(f"Male{x}" for x in "ABCDEF"),
            *(f"Female{x}" for x in "ABCDEF"),
            *(f"ChineseMale{x}" for x in "ABC"),
            *(f"ChineseFemale{x}" for x in "AB"),
        ]
        assert [key for key, model in models.items() if model["clone"]] == ["cosyvoice", "sovits"]
        assert live.received == []

    async def test_those_of_a_file(self, tmp_path: Path, redis: object, valkey: Valkey) -> None:
        file = tmp_path / "voices.json"
        voices = {
            "piper": {
                "full_name": "Piper",
                "license": "MIT",
                "timbres": ["joe"],
                "cur_timbre": "joe",
                "x": 1,
            },
            "clone": {"full_name": "Clone", "clone": True, "timbres": ["no"], "cur_timbre": "no"},
            "token": {"full_name": "Trap"},
        }
        file.write_text(json.dumps(voices), "utf-8")
        async with a_school(tmp_path, valkey.url, "http://127.0.0.1:9", TTS_MODELS_FILE=str(file)) as house:
            user = await house.user()
            assert (await user.get(MODELS)).json() == {
                "piper": {
                    "full_name": "Piper",
                    "clone": False,
                    "status": "active",
                    "license": "MIT",
                    "timbres": ["joe"],
                    "cur_timbre": "joe",
                },
                "clone": {
                    "full_name": "Clone",
                    "clone": True,
                    "status": "active",
                    "license": "",
                    "timbres": None,
                    "cur_timbre": None,
                },
            }
            for broken in ("", "{", "[]", '{"a":{}}', '{"a":{"full_name":7}}', "\u00e9"):
                file.write_text(broken, "latin-1")
                assert refusal(await user.get(MODELS))[:2] == (503, "Error reading TTS models"), broken
            file.unlink()
            assert refusal(await user.get(MODELS))[:2] == (404, "Model information file not found")
            file.mkdir()
            assert refusal(await user.get(MODELS))[:2] == (503, "Error reading TTS models")


class TestAdding:
    async def test_an_avatar_is_made(self, tim: User, live: LiveServerServer) -> None:
        with logged() as log:
            answer = await add(
                tim,
                "my-new_1",
                prompt_voice=("v.wav", WAV),
                avatar_blur="ON",
                support_clone="0",
                timbre="Male A+",
                tts_model="cosyvoice",
                avatar_model="musetalk",
                description="Kind — 你好",
                ref_text="Hello there",
                timeout="30000",
            )
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "success",
            "message": "Avatar created",
            "image_path": "my-new_1.png",
            "avatar_name": "my-new_1",
        }
        ((fields, files),) = live.made
        assert fields == {
            "name": "my-new_1",
            "avatar_blur": "true",
            "support_clone": "false",
            "timbre": "Male A+",
            "tts_model": "cosyvoice",
            "avatar_model": "musetalk",
            "description": "Kind — 你好",
            "ref_text": "Hello there",
        }
        assert files == {"prompt_face": MP4, "prompt_voice": WAV}
        (line,) = log.of("avatar added")
        assert (line["operator"], line["avatar"]) == (await id_of(tim.house, TIM), "my-new_1")

    async def test_what_the_reference_client_leaves_empty_is_not_sent(
        self, tim: User, live: LiveServerServer
    ) -> None:
        parts: list[tuple[str, Any]] = [
            ("name", (None, "new")),
            ("prompt_face", ("face.png", b"\x89PNG\r\n\x1a\n" + bytes(50))),
            ("prompt_voice", (None, "")),
            ("support_clone", (None, "null")),
            ("avatar_blur", (None, "")),
            ("timbre", (None, "")),
            ("tts_model", (None, "null")),
            ("avatar_model", (None, "null")),
            ("ref_text", (None, "undefined")),
        ]
        assert (await tim.post(ADD, files=parts)).status_code == 200
        ((fields, files),) = live.made
        assert fields == {"name": "new"}
        assert set(files) == {"prompt_face"}
        assert live.received[-1].form()[1]["prompt_face"].name == "prompt_face.png"

    async def test_the_new_one_is_listed_once_the_live_server_knows_it(
        self, ann: User, tim: User, live: LiveServerServer
    ) -> None:
        await ann.get(LIST)
        await add(tim)
        await live.until(lambda: "new" in live.avatars)
        assert "new" in (await ann.get(LIST)).json()

    async def test_a_name_is_needed_first_then_a_face(self, tim: User, live: LiveServerServer) -> None:
        for name in (None, ""):
            assert refusal(await add(tim, name)) == (400, "Missing 'name' in form-data", "missing_field")
        missing = (400, "Missing 'prompt_face' in form-data", "missing_field")
        for face in (None, ("face.mp4", b""), (None, ""), (None, "text")):
            assert refusal(await add(tim, prompt_face=face)) == missing, face
        answer = await tim.post(ADD, data={"name": "new"})
        assert refusal(answer) == missing
        assert refusal(await tim.post(ADD))[:2] == (400, "Missing 'name' in form-data")
        assert refusal(await tim.post(ADD, json={"name": "new"}))[0] == 415
        assert live.received == []

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("timbre", bad) for bad in ("a;b", "$(id)", "x" * 65, "é", "a/b", "a\nb")),
            *(("tts_model", bad) for bad in ("`id`", "a|b")),
            *(("avatar_model", bad) for bad in ("other", "MuseTalk ", "; rm")),
            ("description", "x" * 501),
            ("ref_text", "x" * 1001),
            ("avatar_blur", "maybe"),
            ("support_clone", "2"),
        ],
    )
    async def test_what_ends_up_in_command_lines_is_checked(
        self, tim: User, live: LiveServerServer, field: str, value: str
    ) -> None:
        answer = await add(tim, **{field: value})
        assert refusal(answer) == (400, f"Invalid value for '{field}'", "invalid_field")
        assert live.received == []

    async def test_a_text_may_be_long_and_no_longer(self, tim: User, live: LiveServerServer) -> None:
        answer = await add(tim, description="你" * 500, ref_text="好" * 1000)
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        ("part", "name", "content", "code"),
        [
            ("prompt_face", "face.exe", MP4, "file_type"),
            ("prompt_face", "face", MP4, "file_type"),
            ("prompt_face", "face.wav", WAV, "file_type"),
            ("prompt_face", "face.mp4", b"#!/bin/sh", "bad_file"),
            ("prompt_face", "face.mp4", WAV, "bad_file"),
            ("prompt_face", "face.mp4", b"\x00\x00\x00\x18ftypM4A ", "bad_file"),
            ("prompt_face", "face.mp4", b"\x00\x00\x00\x18ftypheic", "bad_file"),
            ("prompt_face", "face.avi", MP4, "bad_file"),
            ("prompt_face", "face.mkv", MP4, "bad_file"),
            ("prompt_face", "face.png", MP4, "bad_file"),
            ("prompt_voice", "voice.mp4", MP4, "file_type"),
            ("prompt_voice", "voice.wav", MP4, "bad_file"),
            ("prompt_voice", "voice.mp3", b"\x00" * 50, "bad_file"),
        ],
    )
    async def test_files_are_what_their_names_say(
        self, tim: User, live: LiveServerServer, part: str, name: str, content: bytes, code: str
    ) -> None:
        files: dict[str, Any] = {part: (name, content)}
        answer = await add(tim, **files)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert live.received == []

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.avi", b"RIFF\x00\x00\x00\x00AVI LIST"),
            ("a.mov", b"\x00\x00\x00\x14ftypqt  "),
            ("a.mov", b"\x00\x00\x00\x08wide\x00\x00"),
            ("a.MKV", b"\x1aE\xdf\xa3\x01"),
            ("a.jpg", b"\xff\xd8\xff\xe0"),
            ("a.jpeg", b"\xff\xd8\xff\xe0"),
            ("..\\..\\a.png", b"\x89PNG\r\n\x1a\n"),
        ],
    )
    async def test_these_kinds_of_faces_there_are(
        self, tim: User, live: LiveServerServer, name: str, content: bytes
    ) -> None:
        assert (await add(tim, prompt_face=(name, content))).status_code == 200
        assert live.made[0][1]["prompt_face"] == content

    async def test_files_are_measured_while_they_come(
        self, tmp_path: Path, redis: object, valkey: Valkey, live: LiveServerServer
    ) -> None:
        small = {"MAX_AVATAR_CLIP_MB": "1", "MAX_AUDIO_MB": "1"}
        async with a_school(tmp_path, valkey.url, live.url, **small) as house:
            tim = await staff(house, TIM, "tutor")
            large = MP4 + bytes(1024 * 1024)
            face = await add(tim, prompt_face=("a.mp4", large))
            assert refusal(face) == (
                413,
                "File too large. Maximum size for clip files is 1 MB",
                "too_large",
            )
            voice = await add(tim, prompt_voice=("a.wav", WAV + large))
            assert refusal(voice)[:2] == (413, "File too large. Maximum size for audio files is 1 MB")
            assert live.received == []

    async def test_a_body_that_is_too_large_is_not_read(self, tim: User, live: LiveServerServer) -> None:
        head = f"POST {ADD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tim.token}\r\n"
        head += f"Content-Length: {151 * 1024 * 1024 + 1}\r\nExpect: 100-continue\r\n\r\n"
        answer = await exchange(tim.house.url, head, within=2)
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"Request body too large" in answer
        assert live.received == []

    async def test_a_large_clip_passes_through_disk(self, tim: User, live: LiveServerServer) -> None:
        large = MP4 + bytes(30 * 1024 * 1024)
        assert (await add(tim, prompt_face=("a.mp4", large))).status_code == 200
        assert live.made[0][1]["prompt_face"] == large

    @pytest.mark.parametrize(
        ("fault", "status", "msg", "code", "detail"),
        [
            (
                Fault(status=400, body=b'{"detail":"no face found"}'),
                400,
                "Avatar creation failed",
                "upstream_rejected",
                "no face found",
            ),
            (
                Fault(status=422, body=b'{"detail":[{"loc":["body"],"msg":"Field required"}]}'),
                400,
                "Avatar creation failed",
                "upstream_rejected",
                "Field required",
            ),
            (
                Fault(status=500, body=b'{"detail":"Traceback /srv"}'),
                502,
                "Avatar creation failed",
                "upstream_error",
                None,
            ),
            (
                Fault(status=200, body=b"<html>"),
                502,
                "Invalid JSON response from avatar service",
                "upstream_error",
                None,
            ),
            (
                Fault(hang=True),
                504,
                "Avatar creation timeout (exceeded 15 minutes)",
                "upstream_timeout",
                None,
            ),
        ],
    )
    async def test_an_avatar_that_is_not_made(
        self,
        tina: User,
        live: LiveServerServer,
        fault: Fault,
        status: int,
        msg: str,
        code: str,
        detail: str | None,
    ) -> None:
        live.faults["/avatar/add"] = fault
        answer = await add(tina)
        assert refusal(answer) == (status, msg, code)
        assert answer.json().get("detail") == detail

    async def test_others_are_served_meanwhile(self, ann: User, tim: User, live: LiveServerServer) -> None:
        await ann.get(LIST)
        live.takes_s = 1.0
        making = asyncio.create_task(add(tim))
        await live.until(lambda: not live.making.is_set())
        for path in (LIST, "/api/user/profile", "/api/chat/history"):
            assert (await ann.get(path)).status_code == 200
        assert not making.done()
        assert (await making).status_code == 200


class TestDeleting:
    async def test_an_avatar_is_removed(self, tim: User, live: LiveServerServer) -> None:
        with logged() as log:
            answer = await tim.post(DELETE, data={"name": "g"})
        assert (answer.status_code, answer.json()) == (
            200,
            {"status": "success", "message": "Avatar g deleted"},
        )
        assert list(live.avatars) == ["test_yongen"]
        assert log.of("avatar deleted")[0]["avatar"] == "g"

    async def test_a_name_is_needed(self, tim: User, live: LiveServerServer) -> None:
        for form in ({}, {"name": ""}):
            assert refusal(await tim.post(DELETE, data=form)) == (
                400,
                "Missing 'name' in form-data",
                "missing_field",
            )
        assert live.received == []

    async def test_what_it_refuses(self, tim: User) -> None:
        answer = await tim.post(DELETE, data={"name": "nobody"})
        assert refusal(answer) == (400, "Avatar deletion failed", "upstream_rejected")
        assert answer.json()["detail"] == "Avatar nobody not found"

    async def test_success_that_is_none(self, tim: User, live: LiveServerServer) -> None:
        live.faults["/avatar/delete"] = Fault(status=200, body=b'{"status":"error","message":"/srv"}')
        answer = await tim.post(DELETE, data={"name": "g"})
        assert refusal(answer)[:2] == (400, "Avatar deletion failed")
        assert "detail" not in answer.json()


async def test_students_and_strangers_change_nothing(
    school: House, ann: User, live: LiveServerServer
) -> None:
    for path, form in ((ADD, {"name": "new"}), (DELETE, {"name": "g"})):
        refused = await ann.post(path, data=form, files={"prompt_face": ("a.mp4", MP4)})
        assert refusal(refused) == (403, "Permission denied", "forbidden")
    for method, path in (("GET", LIST), ("POST", PREVIEW), ("GET", MODELS), ("POST", ADD), ("POST", DELETE)):
        assert refusal(await school.client.request(method, path))[0] == 401
    assert live.received == []
