"""What AvatarCatalogue promises, asked of the fake and of the live server's adapter against a real one; then
what only the wire can show."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from adapters.http.live_server import LiveServer
from application.ports.avatar_catalogue import (
    AvatarCatalogue,
    CatalogueFailed,
    CatalogueTimeout,
    CatalogueUnreachable,
    Clip,
    CreationRejected,
    DeletionRejected,
    NewAvatar,
    PreviewMissing,
)
from domain.avatar import AvatarName
from domain.catalogue import Look
from domain.errors import DomainError
from tests.fakes.avatar_catalogue import FakeAvatarCatalogue
from tests.free_port import free_port
from tests.servers.http import Fault
from tests.servers.live_server import LiveServerServer, picture_of
from tests.transports import TRANSPORTS, client_over

YONGEN, G, NEW = AvatarName("test_yongen"), AvatarName("g"), AvatarName("new")
LIST, PREVIEW, ADD, DELETE = "/avatar/get_avatars", "/avatar/preview", "/avatar/add", "/avatar/delete"


@dataclass
class Subject:
    catalogue: AvatarCatalogue


@pytest.fixture
async def server() -> AsyncIterator[LiveServerServer]:
    async with LiveServerServer() as server:
        yield server


@pytest.fixture(params=TRANSPORTS)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    async with client_over(request.param) as client:
        yield client


@pytest.fixture(params=["fake", "http"])
async def catalogue(request: pytest.FixtureRequest) -> AsyncIterator[AvatarCatalogue]:
    if request.param == "fake":
        yield FakeAvatarCatalogue({YONGEN: Look(support_clone=False), G: Look(support_clone=True)})
        return
    async with LiveServerServer() as server, client_over("lean") as client:
        yield LiveServer(client, server.url)


@pytest.fixture
def face(tmp_path: Path) -> Clip:
    return clip(tmp_path / "face", b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 3000, "mp4")


def clip(path: Path, content: bytes, extension: str) -> Clip:
    path.write_bytes(content)
    return Clip(path, len(content), extension)


class TestEveryOne:
    async def test_avatars_come_in_a_stable_order(self, catalogue: AvatarCatalogue) -> None:
        for _ in range(2):
            avatars = await catalogue.avatars()
            assert list(avatars) == [YONGEN, G]
            assert [look.support_clone for look in avatars.values()] == [False, True]

    async def test_each_has_a_preview(self, catalogue: AvatarCatalogue) -> None:
        one, other = await catalogue.preview(YONGEN), await catalogue.preview(G)
        assert one.media_type == other.media_type == "image/png"
        assert one.content != other.content

    async def test_there_is_no_preview_of_nobody(self, catalogue: AvatarCatalogue) -> None:
        with pytest.raises(PreviewMissing):
            await catalogue.preview(NEW)

    async def test_what_was_added_is_there(self, catalogue: AvatarCatalogue, face: Clip) -> None:
        added = await catalogue.add(NewAvatar(name=NEW, face=face, description="Kind"))
        assert (added.message, added.image) == ("Avatar created", "new.png")

    async def test_a_name_is_given_once(self, catalogue: AvatarCatalogue, face: Clip) -> None:
        with pytest.raises(CreationRejected) as caught:
            await catalogue.add(NewAvatar(name=G, face=face))
        assert caught.value.extra == {"detail": "Avatar g already exists"}

    async def test_what_was_deleted_is_gone(self, catalogue: AvatarCatalogue) -> None:
        assert await catalogue.delete(G) == "Avatar g deleted"
        assert list(await catalogue.avatars()) == [YONGEN]
        with pytest.raises(DeletionRejected) as caught:
            await catalogue.delete(G)
        assert caught.value.extra == {"detail": "Avatar g not found"}

    async def test_it_can_be_asked(self, catalogue: AvatarCatalogue) -> None:
        await catalogue.check()


class TestTheWire:
    @pytest.fixture
    def live(self, client: httpx.AsyncClient, server: LiveServerServer) -> LiveServer:
        return LiveServer(client, server.url, None, 0.4, 0.4, 0.4, 0.6)

    async def test_looks_are_read(self, live: LiveServer, server: LiveServerServer) -> None:
        assert (await live.avatars())[YONGEN] == Look(
            support_clone=False,
            description="Patient with beginners",
            timbre="FemaleA",
            tts_model="edgeTTS",
            avatar_model="MuseTalk",
            avatar_blur=False,
            created_at="2025-11-18T10:30:45",
        )

    async def test_names_alone_will_do(self, live: LiveServer, server: LiveServerServer) -> None:
        server.names_only = True
        assert dict(await live.avatars()) == {
            YONGEN: Look(description="Avatar: test_yongen"),
            G: Look(description="Avatar: g"),
        }

    @pytest.mark.parametrize("body", [b'["a","b"]', b'{"avatars":["a",3,"b"]}'])
    async def test_older_lists(self, live: LiveServer, server: LiveServerServer, body: bytes) -> None:
        server.faults[LIST] = Fault(status=200, body=body)
        assert list(await live.avatars()) == ["a", "b"]

    async def test_names_that_mean_something_to_a_shell_or_a_path_are_left_out(
        self, live: LiveServer, server: LiveServerServer
    ) -> None:
        for name in ("../x", "a b", "$(id)", "-rf", "", "x" * 65, "é", "token", "a\n"):
            server.avatars[name] = {}
        assert list(await live.avatars()) == [YONGEN, G]

    async def test_odd_values_are_no_reason_to_lose_the_list(
        self, live: LiveServer, server: LiveServerServer
    ) -> None:
        server.avatars = {"a": {"description": 7, "status": None, "support_clone": "true", "created_at": 1.5}}
        assert await live.avatars() == {"a": Look(support_clone=True, avatar_blur=False)}

    @pytest.mark.parametrize(
        ("fault", "refusal"),
        [
            (Fault(status=200, body=b'{"status":"error","message":"x"}'), CatalogueFailed),
            (Fault(status=200, body=b'{"status":"error","avatars":{}}'), CatalogueFailed),
            (Fault(status=200, body=b"{}"), CatalogueFailed),
            (Fault(status=200, body=b"null"), CatalogueFailed),
            (Fault(status=200, body=b"<html>"), CatalogueFailed),
            (Fault(status=500, body=b'{"detail":"x"}'), CatalogueFailed),
            (Fault(status=302, headers={"location": "/"}), CatalogueFailed),
            (Fault(reset=True), CatalogueFailed),
            (Fault(status=503), CatalogueUnreachable),
            (Fault(hang=True), CatalogueTimeout),
        ],
    )
    async def test_a_list_that_is_none(
        self, live: LiveServer, server: LiveServerServer, fault: Fault, refusal: type[DomainError]
    ) -> None:
        server.faults[LIST] = fault
        with pytest.raises(refusal) as caught:
            await live.avatars()
        words = {
            CatalogueFailed: "Avatar service error",
            CatalogueUnreachable: "Failed to connect to avatar service",
            CatalogueTimeout: "Avatar service timeout",
        }
        assert caught.value.msg == words[refusal]

    @pytest.mark.parametrize(
        ("fault", "refusal"),
        [
            (Fault(status=200, body=b"<svg/>", content_type="text/html"), CatalogueFailed),
            (Fault(status=200, body=b"", content_type="image/png"), CatalogueFailed),
            (Fault(status=200, body=b"x" * 9_000_000, content_type="image/png"), CatalogueFailed),
            (Fault(status=500), CatalogueFailed),
            (Fault(status=404, body=b'{"detail":"/srv/x"}'), PreviewMissing),
            (Fault(hang=True), CatalogueTimeout),
            (Fault(reset=True), CatalogueFailed),
        ],
    )
    async def test_a_preview_that_is_none(
        self, live: LiveServer, server: LiveServerServer, fault: Fault, refusal: type[DomainError]
    ) -> None:
        server.faults[PREVIEW] = fault
        with pytest.raises(refusal):
            await live.preview(YONGEN)

    async def test_a_preview_keeps_its_type(self, live: LiveServer, server: LiveServerServer) -> None:
        assert (await live.preview(YONGEN)).content == picture_of("test_yongen")
        kind = "image/JPEG; charset=x"
        server.faults[PREVIEW] = Fault(status=200, body=b"x", content_type=kind)
        assert (await live.preview(YONGEN)).media_type == "image/jpeg"
        assert server.received[0].form()[0] == {"avatar_name": "test_yongen"}

    async def test_only_what_was_said_is_sent(
        self, live: LiveServer, server: LiveServerServer, face: Clip, tmp_path: Path
    ) -> None:
        await live.add(NewAvatar(name=NEW, face=face))
        voice = clip(tmp_path / "voice", b"RIFF....WAVE", "wav")
        whole = NewAvatar(
            name=AvatarName("whole"),
            face=face,
            voice=voice,
            avatar_blur=True,
            support_clone=False,
            timbre="MaleA",
            tts_model="edgeTTS",
            avatar_model="musetalk",
            description="Zwei\r\nZeilen — 你好",
            ref_text="--boundary",
        )
        await live.add(whole)

        assert server.made[0] == ({"name": "new"}, {"prompt_face": face.path.read_bytes()})
        fields, files = server.made[1]
        assert fields == {
            "name": "whole",
            "avatar_blur": "true",
            "support_clone": "false",
            "timbre": "MaleA",
            "tts_model": "edgeTTS",
            "avatar_model": "musetalk",
            "description": "Zwei\r\nZeilen — 你好",
            "ref_text": "--boundary",
        }
        assert files == {"prompt_face": face.path.read_bytes(), "prompt_voice": b"RIFF....WAVE"}
        sent = server.received[-1].form()[1]
        assert {part: file.name for part, file in sent.items()} == {
            "prompt_face": "prompt_face.mp4",
            "prompt_voice": "prompt_voice.wav",
        }

    @pytest.mark.parametrize(
        ("fault", "refusal", "msg", "detail"),
        [
            (
                Fault(status=400, body=b'{"detail":"no face found"}'),
                CreationRejected,
                "Avatar creation failed",
                "no face found",
            ),
            (
                Fault(status=422, body=b'{"detail":[{"msg":"Field required"},{"msg":"too short"},7]}'),
                CreationRejected,
                "Avatar creation failed",
                "Field required; too short",
            ),
            (
                Fault(status=400, body=json.dumps({"detail": "x" * 5000}).encode()),
                CreationRejected,
                "Avatar creation failed",
                "x" * 300,
            ),
            (Fault(status=413, body=b"<html>"), CreationRejected, "Avatar creation failed", None),
            (
                Fault(status=200, body=b'{"status":"error","message":"/srv"}'),
                CreationRejected,
                "Avatar creation failed",
                None,
            ),
            (
                Fault(status=500, body=b'{"detail":"Traceback"}'),
                CatalogueFailed,
                "Avatar creation failed",
                None,
            ),
            (
                Fault(status=200, body=b"<html>"),
                CatalogueFailed,
                "Invalid JSON response from avatar service",
                None,
            ),
            (
                Fault(status=200, body=b"[]"),
                CatalogueFailed,
                "Invalid JSON response from avatar service",
                None,
            ),
            (Fault(reset=True), CatalogueFailed, "Invalid JSON response from avatar service", None),
            (Fault(status=503), CatalogueUnreachable, "Error forwarding to avatar service", None),
            (Fault(hang=True), CatalogueTimeout, "Avatar creation timeout (exceeded 15 minutes)", None),
        ],
    )
    async def test_an_avatar_that_is_not_made(
        self,
        live: LiveServer,
        server: LiveServerServer,
        face: Clip,
        fault: Fault,
        refusal: type[DomainError],
        msg: str,
        detail: str | None,
    ) -> None:
        server.faults[ADD] = fault
        with pytest.raises(refusal) as caught:
            await live.add(NewAvatar(name=NEW, face=face))
        assert (caught.value.msg, caught.value.extra.get("detail")) == (msg, detail)

    @pytest.mark.parametrize("path", ["C:\\live\\new.png", "/srv/live/new.png", "new.png"])
    async def test_where_it_keeps_pictures_is_not_told(
        self, live: LiveServer, server: LiveServerServer, face: Clip, path: str
    ) -> None:
        body = json.dumps({"status": "success", "image_path": path}).encode()
        server.faults[ADD] = Fault(status=200, body=body)
        added = await live.add(NewAvatar(name=NEW, face=face))
        assert (added.image, added.message) == ("new.png", "Avatar created successfully")

    async def test_a_clip_that_is_not_what_it_was(
        self, live: LiveServer, server: LiveServerServer, face: Clip
    ) -> None:
        for size in (face.size - 1, face.size + 1):
            with pytest.raises(CatalogueFailed):
                await live.add(NewAvatar(name=NEW, face=replace(face, size=size)))
        assert server.made == []

    @pytest.mark.parametrize(
        ("fault", "refusal", "detail"),
        [
            (Fault(status=400, body=b'{"detail":"in use"}'), DeletionRejected, "in use"),
            (Fault(status=200, body=b'{"status":"error","message":"x"}'), DeletionRejected, None),
            (Fault(status=200, body=b"x"), CatalogueFailed, None),
            (Fault(status=500), CatalogueFailed, None),
            (Fault(status=429), CatalogueUnreachable, None),
            (Fault(hang=True), CatalogueTimeout, None),
        ],
    )
    async def test_an_avatar_that_is_not_deleted(
        self,
        live: LiveServer,
        server: LiveServerServer,
        fault: Fault,
        refusal: type[DomainError],
        detail: str | None,
    ) -> None:
        server.faults[DELETE] = fault
        with pytest.raises(refusal) as caught:
            await live.delete(G)
        assert caught.value.extra.get("detail") == detail

    async def test_nobody_there(self, client: httpx.AsyncClient, face: Clip) -> None:
        live = LiveServer(client, f"http://127.0.0.1:{free_port()}")
        for ask in (
            live.avatars(),
            live.preview(G),
            live.add(NewAvatar(name=NEW, face=face)),
            live.delete(G),
        ):
            with pytest.raises(CatalogueUnreachable):
                await ask

    async def test_our_own_one_is_told_the_secret(
        self, client: httpx.AsyncClient, server: LiveServerServer
    ) -> None:
        await LiveServer(client, server.url + "/", "s" * 32).avatars()
        await LiveServer(client, server.url).avatars()
        assert [request.headers.get("x-avatar-secret") for request in server.received] == ["s" * 32, None]
