"""Contract 7.3, row by row, with real avatar instances behind a real Avatar Manager."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from dishka import Provider, Scope, provide

from adapters.http.avatar_instance import HttpAvatarInstances
from application.ports.avatar_instances import AvatarInstances
from tests.conftest import Valkey
from tests.integration.house import House, User, a_house, running
from tests.integration.http.answers import refusal
from tests.integration.http.raw import exchange
from tests.integration.http.staff import TIM, staff
from tests.servers.avatar_instance import OK, AvatarInstanceServer, Spoken
from tests.servers.avatar_manager import AvatarManagerServer
from tests.servers.http import Fault
from tests.servers.live_server import LiveServerServer

OFFER = {"sdp": "v=0 offer", "type": "offer"}
ROUTES: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "offer", OFFER),
    ("POST", "human", {"sessionid": 1, "text": "Hello", "type": "echo"}),
    ("POST", "interrupt_talk", {"sessionid": 1}),
    ("POST", "is_speaking", {"sessionid": 1}),
    ("POST", "set_audiotype", {"sessionid": 1, "audiotype": 2, "reinit": True}),
    ("POST", "record", {"sessionid": 1, "type": "start_record"}),
    ("GET", "health", None),
]
ABOUT_A_SESSION = [(path, body) for _, path, body in ROUTES if body and "sessionid" in body]


class Patient(Provider):
    """An instance that is given up soon."""

    scope = Scope.APP

    @provide(override=True)
    def instances(self, http: httpx.AsyncClient) -> AvatarInstances:
        return HttpAvatarInstances(http, proxy_s=1.0, speech_s=1.0)


@dataclass
class Stage:
    """A school, its manager, and the instances that it has launched."""

    house: House
    manager: AvatarManagerServer
    instances: list[AvatarInstanceServer]

    @property
    def instance(self) -> AvatarInstanceServer:
        return self.instances[-1]

    def clear(self) -> None:
        for one in self.instances:
            one.received.clear()

    @property
    def received(self) -> list[str]:
        """What any instance was asked since, by paths."""
        return [request.path for one in self.instances for request in one.received]


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> AsyncIterator[Stage]:
    instances: list[AvatarInstanceServer] = []

    def launched() -> AvatarInstanceServer:
        made = AvatarInstanceServer(max_sessions=1000, first_session=100_001 + 1000 * len(instances))
        instances.append(made)
        return made

    folder = tmp_path_factory.mktemp("stage")
    async with AvatarManagerServer(instance=launched) as manager, LiveServerServer() as live:
        upstreams = {"AVATAR_MANAGER_URL": manager.url, "LIVE_SERVER_URL": live.url}
        live.avatars = {name: {} for name in manager.names}
        redis_url = f"{valkey.url}?db=5"
        async with a_house(
            folder,
            Patient(),
            REDIS_URL=redis_url,
            LLM_URL="http://127.0.0.1:9",
            AVATAR_HOST="127.0.0.1",
            **upstreams,
        ) as house:
            yield Stage(house, manager, instances)


@pytest.fixture(scope="module")
async def everybody(stage: Stage) -> dict[str, User]:
    house = stage.house
    people = {name: await house.user(f"{name}@example.org") for name in ("ann", "bob", "eve")}
    people["tim"] = await staff(house, TIM, "tutor")
    for name in ("ann", "bob", "tim"):
        assert (await start(people[name])).status_code == 200
    return people


@pytest.fixture
def ann(everybody: dict[str, User], stage: Stage) -> User:
    """She and Bob watch the same avatar; Eve has none."""
    for one in stage.instances:
        one.faults.clear()
        one.extra.clear()
        one.starting = one.refuses = False
    stage.clear()
    return everybody["ann"]


@pytest.fixture
def bob(everybody: dict[str, User]) -> User:
    return everybody["bob"]


@pytest.fixture
def eve(everybody: dict[str, User]) -> User:
    return everybody["eve"]


@pytest.fixture
def tim(everybody: dict[str, User]) -> User:
    return everybody["tim"]


async def start(user: User, name: str = "mira") -> httpx.Response:
    return await user.post("/api/avatar/start", data={"avatar_name": name})


async def offered(user: User) -> int:
    answer = await user.post("/api/webrtc/offer", json=OFFER)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["sessionid"])


async def ask(user: User, method: str, path: str, **options: Any) -> httpx.Response:
    return await user.house.client.request(method, f"/api/webrtc/{path}", headers=user.headers, **options)


class TestWhoMayCall:
    @pytest.mark.parametrize(("method", "path", "body"), ROUTES)
    async def test_nobody_without_a_token(
        self, stage: Stage, ann: User, method: str, path: str, body: dict[str, Any] | None
    ) -> None:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}):
            answer = await stage.house.client.request(
                method, f"/api/webrtc/{path}", json=body, headers=headers
            )
            assert refusal(answer)[0] in (401, 422)
        assert stage.received == []

    @pytest.mark.parametrize(("method", "path", "body"), ROUTES)
    async def test_nobody_without_an_avatar(
        self, stage: Stage, ann: User, eve: User, method: str, path: str, body: dict[str, Any] | None
    ) -> None:
        answer = await ask(eve, method, path, json=body)
        if path == "record":
            assert refusal(answer) == (403, "Permission denied", "forbidden")
        else:
            assert refusal(answer) == (409, "Start an avatar first", "no_avatar")
        assert stage.received == []

    async def test_who_has_none_is_told_so_before_his_body_is_read(self, ann: User, eve: User) -> None:
        for content in (b"{", b"[]", b""):
            assert refusal(await ask(eve, "POST", "human", content=content))[0] == 409
        head = "POST /api/webrtc/humanaudio HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n"
        head += f"Authorization: Bearer {eve.token}\r\nExpect: 100-continue\r\n\r\n"
        assert (await exchange(eve.house.url, head, within=1)).startswith(b"HTTP/1.1 409")

    @pytest.mark.parametrize(("path", "body"), ABOUT_A_SESSION)
    async def test_a_strangers_session_is_not_yours(
        self, stage: Stage, ann: User, bob: User, tim: User, path: str, body: dict[str, Any]
    ) -> None:
        anns, own = await offered(ann), await offered(bob)
        asker = tim if path == "record" else bob
        stage.clear()
        for session in (anns, str(anns), 1, 0, 999_999_999_999_999, anns + 10**9):
            answer = await ask(asker, "POST", path, json={**body, "sessionid": session})
            assert refusal(answer) == (403, "This WebRTC session is not yours", "forbidden"), session
        assert stage.received == []
        if path != "record":
            answer = await ask(bob, "POST", path, json={**body, "sessionid": own})
            assert answer.status_code == 200

    async def test_recording_is_for_tutors(self, stage: Stage, ann: User, tim: User) -> None:
        session = await offered(ann)
        body = {"sessionid": session, "type": "start_record"}
        assert refusal(await ask(ann, "POST", "record", json=body))[:2] == (403, "Permission denied")
        body["sessionid"] = own = await offered(tim)
        for kind in ("start_record", "end_record"):
            assert (await ask(tim, "POST", "record", json={**body, "type": kind})).json() == OK
        assert stage.instance.records[-2:] == [(own, "start_record"), (own, "end_record")]

    async def test_after_a_switch_the_old_sessions_are_nobodys(
        self, stage: Stage, ann: User, eve: User
    ) -> None:
        assert (await start(eve, "otto")).status_code == 200
        old = await offered(eve)
        assert (await start(eve, "lena")).status_code == 200
        new = await offered(eve)
        stage.clear()
        for session, status in ((old, 403), (new, 200)):
            answer = await ask(eve, "POST", "is_speaking", json={"sessionid": session})
            assert answer.status_code == status
        assert (await eve.post("/api/avatar/disconnect")).status_code == 200
        stage.clear()
        for session in (old, new):
            answer = await ask(eve, "POST", "is_speaking", json={"sessionid": session})
            assert refusal(answer)[0] == 409
        assert stage.received == []

    async def test_a_session_counts_at_every_worker(self, stage: Stage, ann: User) -> None:
        session = await offered(ann)
        async with running(stage.house.settings) as other:
            answer = await ask(User(other, ann.token), "POST", "is_speaking", json={"sessionid": session})
            assert answer.json() == {"code": 0, "data": False}


class TestOffers:
    async def test_the_answer_is_handed_on_as_it_is(self, stage: Stage, ann: User) -> None:
        answer = await ann.post("/api/webrtc/offer", json={**OFFER, "token": "x", "host": "evil"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        session = answer.json()["sessionid"]
        assert answer.json() == {"sdp": f"v=0 answer {session}", "type": "answer", "sessionid": session}
        (request,) = stage.instances[0].received
        assert (request.method, request.path, request.query) == ("POST", "/offer", {})
        assert request.json() == OFFER

    async def test_its_session_is_the_current_one(self, stage: Stage, ann: User) -> None:
        for _ in range(2):
            session = await offered(ann)
            answer = await ask(ann, "POST", "interrupt_talk", json={"sessionid": session})
            assert answer.json() == OK

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"sdp": "v=0"},
            {"type": "offer"},
            {"sdp": "", "type": "offer"},
            {"sdp": None, "type": "offer"},
            {"sdp": 1, "type": "offer"},
            {"sdp": ["v=0"], "type": "offer"},
            {"sdp": "v=0", "type": "answer"},
            {"sdp": "v=0", "type": ["offer"]},
            {"sdp": "v=0\x00", "type": "offer"},
        ],
    )
    async def test_an_offer_that_is_none(self, stage: Stage, ann: User, body: dict[str, Any]) -> None:
        assert refusal(await ann.post("/api/webrtc/offer", json=body))[:2] == (400, "Invalid offer")
        assert stage.received == []

    async def test_never_a_success_without_sdp(self, stage: Stage, ann: User) -> None:
        full = {"code": -1, "msg": "reach max session"}
        for body, status, msg in (
            (full, 503, "The avatar has reached its session limit. Please try again later."),
            ({}, 502, "The avatar returned an error"),
            ({"type": "answer", "sessionid": 1}, 502, "The avatar returned an error"),
            ({"sdp": "v=0", "type": "answer"}, 502, "The avatar returned an error"),
        ):
            stage.instances[0].faults["/offer"] = Fault(status=200, body=json.dumps(body).encode())
            answer = await ann.post("/api/webrtc/offer", json=OFFER)
            assert refusal(answer)[:2] == (status, msg)

    async def test_a_full_house_says_so(self, stage: Stage, ann: User) -> None:
        instance = stage.instances[0]
        instance.max_sessions = len(instance.sessions)
        answer = await ann.post("/api/webrtc/offer", json=OFFER)
        instance.max_sessions = 1000
        assert refusal(answer) == (
            503,
            "The avatar has reached its session limit. Please try again later.",
            "capacity",
        )

    async def test_offers_are_limited_and_others_are_served(self, stage: Stage, bob: User, ann: User) -> None:
        zoe = await stage.house.user("zoe@example.org")
        await start(zoe)
        stage.clear()
        answers: list[httpx.Response] = []
        for _ in range(20):
            flood = [zoe.post("/api/webrtc/offer", json=OFFER) for _ in range(10)]
            answers += await asyncio.gather(*flood)
        refused = [answer for answer in answers if answer.status_code != 200]
        assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(429, "rate_limited")}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert 60 <= len(stage.received) == 200 - len(refused) < 120
        await offered(bob)

    async def test_an_offer_that_is_answered_too_late_is_not_told(self, stage: Stage, ann: User) -> None:
        max = await stage.house.user("max@example.org")
        await start(max)
        stage.instances[0].faults["/offer"] = Fault(delay=0.3)
        offering = asyncio.create_task(max.post("/api/webrtc/offer", json=OFFER))
        await stage.instances[0].until(lambda: "/offer" in stage.received)
        await max.post("/api/avatar/disconnect")
        assert refusal(await offering)[:2] == (409, "Start an avatar first")


class TestOtherCalls:
    @pytest.mark.parametrize("as_text", [False, True])
    async def test_sessions_are_told_as_integers(self, stage: Stage, ann: User, as_text: bool) -> None:
        session = await offered(ann)
        said: dict[str, Any] = {
            "sessionid": str(session) if as_text else session,
            "text": "Hi",
            "type": "echo",
        }
        for more in ({}, {"interrupt": True}, {"interrupt": None, "user_id": 1, "sdp": "x"}):
            stage.clear()
            assert (await ask(ann, "POST", "human", json={**said, **more})).json() == OK
            (request,) = stage.instances[0].received
            kept = {key: value for key, value in more.items() if key == "interrupt" and value}
            assert request.json() == {"sessionid": session, "text": "Hi", "type": "echo", **kept}
        assert stage.instances[0].said[-1] == Spoken(session, "Hi")

    async def test_the_others_too(self, stage: Stage, ann: User) -> None:
        session, instance = await offered(ann), stage.instances[0]
        assert (await ask(ann, "POST", "interrupt_talk", json={"sessionid": session})).json() == OK
        assert instance.interrupted[-1] == session
        instance.talking.add(session)
        speaking = await ask(ann, "POST", "is_speaking", json={"sessionid": session})
        assert speaking.json() == {"code": 0, "data": True}
        for audiotype in (0, 3, "idle_1"):
            body = {"sessionid": session, "audiotype": audiotype, "reinit": False, "more": 1}
            assert (await ask(ann, "POST", "set_audiotype", json=body)).json() == OK
            assert instance.received[-1].json() == {k: v for k, v in body.items() if k != "more"}
        health = await ask(ann, "GET", "health")
        assert health.json()["service"] == "webrtc"

    async def test_a_recording_is_spoken(self, stage: Stage, ann: User) -> None:
        session = await offered(ann)
        sound = bytes(range(256)) * 5000
        form = {"sessionid": str(session), "user_id": "1"}
        answer = await ask(
            ann, "POST", "humanaudio", data=form, files={"file": ('a"; x="/../../b.WAV', sound)}
        )
        assert answer.json() == OK
        assert stage.instances[0].sounds[-1] == sound
        fields, files = stage.instances[0].received[-1].form()
        assert fields == {"sessionid": str(session)}
        assert {name: file.name for name, file in files.items()} == {"file": "sound.wav"}

    @pytest.mark.parametrize(
        ("path", "body", "field"),
        [
            *((path, {"sessionid": bad}, "sessionid")
              for path in ("interrupt_talk", "is_speaking")
              for bad in (None, "", "x", -1, 1.5, True, [1], {"a": 1}, "1 ", "１")),
            ("human", {"text": "x", "type": "echo"}, "sessionid"),
            ("human", {"type": "echo"}, "text"),
            ("human", {"text": "", "type": "echo"}, "text"),
            ("human", {"text": 7, "type": "echo"}, "text"),
            ("human", {"text": "\x00", "type": "echo"}, "text"),
            ("human", {"text": "x"}, "type"),
            ("human", {"text": "x", "type": "chat"}, "type"),
            ("human", {"text": "x", "type": ["echo"]}, "type"),
            ("human", {"text": "x", "type": "echo", "interrupt": "yes"}, "interrupt"),
            ("human", {"text": "x", "type": "echo", "interrupt": 1}, "interrupt"),
            ("set_audiotype", {"reinit": True}, "audiotype"),
            ("set_audiotype", {"audiotype": "../x", "reinit": True}, "audiotype"),
            ("set_audiotype", {"audiotype": -1, "reinit": True}, "audiotype"),
            ("set_audiotype", {"audiotype": True, "reinit": True}, "audiotype"),
            ("set_audiotype", {"audiotype": 1}, "reinit"),
            ("set_audiotype", {"audiotype": 1, "reinit": 1}, "reinit"),
            ("record", {"type": "start"}, "type"),
            ("record", {}, "type"),
        ],
    )  # read as a table # fmt: skip
    async def test_bodies_are_checked(
        self, stage: Stage, ann: User, tim: User, path: str, body: dict[str, Any], field: str
    ) -> None:
        user = tim if path == "record" else ann
        own = {"sessionid": await offered(user)} if field != "sessionid" else {}
        stage.clear()
        answer = await ask(user, "POST", path, json={**own, **body})
        assert refusal(answer) == (400, f"Invalid value for '{field}'", "invalid_field")
        assert stage.received == []

    async def test_bodies_are_what_they_say(self, stage: Stage, ann: User) -> None:
        for content, kind, status in (
            (b"{", "application/json", 400),
            (b"[1]", "application/json", 400),
            (b"null", "application/json", 400),
            (b"sessionid=1", "application/x-www-form-urlencoded", 415),
            (b'{"sessionid":1}', "text/plain", 415),
            (b"x" * 300_000, "application/json", 413),
        ):
            answer = await ann.house.client.post(
                "/api/webrtc/is_speaking", content=content, headers={**ann.headers, "Content-Type": kind}
            )
            assert refusal(answer)[0] == status, content[:20]
        for parts in ({}, {"sessionid": (None, "1")}, {"sessionid": (None, "1"), "file": ("a.wav", b"")}):
            answer = await ask(ann, "POST", "humanaudio", files={"x": (None, "y"), **parts})
            assert refusal(answer)[0] == 400
        assert refusal(await ask(ann, "POST", "humanaudio", json={"sessionid": 1}))[0] == 415
        assert stage.received == []


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "", "x", "offer/x", "offers", "Offer", "OFFER", "offer.json", "offer;x", "offer,human", "..offer",
            "offer%20", "offer%00", "%6fffer", "o%66fer", "offer%2f", "offer%2F..%2Fhuman", "%2e%2e/offer",
            "..%2foffer", "../webrtc/offer%2e", "%2foffer", "offer%3fx=1", "offer%23", "offer\\", "\\offer",
            "..\\offer", "offer/..", "offer/../admin", "./offer", "offer/.", "health/../offer",
            "%252e%252e/offer", "offer%0d%0aHost:%20evil", "http://127.0.0.1:22/", "//evil.example/offer",
            "@evil.example/offer", "ö", "%c0%ae%c0%ae/offer", "admin", "api/webrtc/offer", "8615/offer",
        ],
    )  # read as a table # fmt: skip
    async def test_only_these_paths_lead_anywhere(self, stage: Stage, ann: User, path: str) -> None:
        body = json.dumps(OFFER)
        for method in ("POST", "GET"):
            head = f"{method} /api/webrtc/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
            head += (
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            answer = await exchange(ann.house.url, (head + body).encode(), within=2)
            assert answer.split(b" ")[1] in (b"400", b"404", b"405"), answer[:200]
        assert stage.received == []

    @pytest.mark.parametrize("path", ["//api/webrtc/offer", "/api//webrtc///offer", "/api/webrtc/offer/"])
    async def test_slashes_are_forgiven_here_too(self, stage: Stage, ann: User, path: str) -> None:
        body = json.dumps(OFFER)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
        head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        assert (await exchange(ann.house.url, head + body)).startswith(b"HTTP/1.1 200")
        assert stage.received == ["/offer"]

    async def test_an_absolute_target_chooses_nothing(self, stage: Stage, ann: User) -> None:
        body = json.dumps(OFFER)
        for target in ("http://evil.example/api/webrtc/offer", f"{stage.instance.url}/offer"):
            head = f"POST {target} HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {ann.token}\r\n"
            head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            await exchange(ann.house.url, head + body)
        assert set(stage.received) <= {"/offer"}
        assert all(request.headers["host"] == f"127.0.0.1:{one.port}" for one in stage.instances
                   for request in one.received)  # read as a table # fmt: skip

    async def test_a_query_chooses_nothing(self, stage: Stage, ann: User) -> None:
        query = "?port=22&host=evil.example&url=http://evil.example&path=/record&params[port]=1"
        assert (await ann.post(f"/api/webrtc/offer{query}", json=OFFER)).status_code == 200
        (request,) = stage.instances[0].received
        assert request.query == {}

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
    async def test_other_methods(self, stage: Stage, ann: User, method: str) -> None:
        for path in (
            "offer",
            "human",
            "humanaudio",
            "interrupt_talk",
            "is_speaking",
            "set_audiotype",
            "record",
        ):
            answer = await ask(ann, method, path)
            assert answer.status_code == 405
            assert answer.headers["allow"] == "OPTIONS, POST"
        for path in ("health", "config"):
            if method not in ("GET", "HEAD"):
                assert (await ask(ann, method, path)).status_code == 405
        assert stage.received == []

    async def test_a_preflight_needs_no_token(self, stage: Stage, ann: User) -> None:
        for path in ("offer", "human", "nope", "config"):
            answer = await stage.house.client.options(
                f"/api/webrtc/{path}", headers={"Origin": "https://front.example"}
            )
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
            assert answer.headers["access-control-allow-origin"] == "*"
        assert stage.received == []


class TestHeaders:
    async def test_outwards(self, stage: Stage, ann: User) -> None:
        smuggled = {
            "Cookie": "a=b",
            "Origin": "https://evil.example",
            "X-Forwarded-For": "10.0.0.1",
            "X-Forwarded-Host": "evil",
            "Forwarded": "for=1",
            "X-Real-IP": "10.0.0.1",
            "X-Avatar-Secret": "guess",
            "X-Request-Id": "abcd-1234",
            "Connection": "close, x-hop",
            "X-Hop": "1",
            "TE": "trailers",
            "Upgrade": "websocket",
            "Proxy-Authorization": "Basic x",
            "sessionid": "1",
            "Accept": "text/html",
            "Accept-Encoding": "gzip, br",
            "User-Agent": "me",
        }
        answer = await ann.house.client.post(
            "/api/webrtc/offer", json=OFFER, headers={**ann.headers, **smuggled}
        )
        assert answer.status_code == 200
        (request,) = stage.instances[0].received
        assert set(request.headers) <= {
            "host",
            "accept",
            "accept-encoding",
            "user-agent",
            "connection",
            "content-type",
            "content-length",
            "x-request-id",
        }
        assert request.headers["x-request-id"] == "abcd-1234"
        assert request.headers["host"] == f"127.0.0.1:{stage.instances[0].port}"
        assert request.headers["content-type"] == "application/json"
        assert ann.token not in str(request.headers)

    async def test_back(self, stage: Stage, ann: User) -> None:
        stage.instances[0].extra = {"token": "forged"}
        answer = await ann.house.client.post(
            "/api/webrtc/offer", json=OFFER, headers={**ann.headers, "Origin": "https://front.example"}
        )
        assert "token" not in answer.json()
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        for name in (
            "set-cookie",
            "access-control-allow-credentials",
            "x-new-token",
            "location",
            "x-powered-by",
        ):
            assert name not in answer.headers
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert "aiohttp" not in str(answer.headers)

    async def test_back_with_errors_too(self, stage: Stage, ann: User) -> None:
        hostile = {
            "set-cookie": "a=b",
            "access-control-allow-origin": "https://evil.example",
            "retry-after": "9",
        }
        stage.instances[0].faults["/offer"] = Fault(status=500, body=b"Traceback /srv", headers=hostile)
        answer = await ann.post("/api/webrtc/offer", json=OFFER)
        assert refusal(answer)[:2] == (502, "The avatar returned an error")
        assert "set-cookie" not in answer.headers
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        assert "srv" not in answer.text


FAILED = (502, "The avatar returned an error", "upstream_error")


class TestWhatGoesWrong:
    @pytest.mark.parametrize(
        ("fault", "expected"),
        [
            (Fault(status=503, body=b'{"code":-1}'),
             (503, "The avatar is still starting. Please try again.", "upstream_unavailable")),
            (Fault(status=500, body=b"Traceback", content_type="text/plain"), FAILED),
            (Fault(status=502, body=b"{}"), FAILED),
            (Fault(status=404, body=b"404: Not Found"), FAILED),
            (Fault(status=401, body=b"{}"), FAILED),
            (Fault(status=200, body=b"<html>"), FAILED),
            (Fault(status=200, body=b"null"), FAILED),
            (Fault(status=200, body=b'{"a":"' + b"x" * 1_100_000 + b'"}'), FAILED),
            (Fault(status=302, headers={"location": "/health"}), FAILED),
            (Fault(status=307, headers={"location": "/health"}), FAILED),
            (Fault(status=200, body=b"\x1f\x8b", headers={"content-encoding": "gzip"}), FAILED),
            (Fault(reset=True), FAILED),
            (Fault(hang=True), (504, "Proxy timeout", "upstream_timeout")),
            (Fault(status=200, body=b'{"code":-1,"msg":"KeyError"}'),
             (503, "The avatar did not accept the request", "upstream_unavailable")),
            (Fault(status=400, body=b'{"code":-1,"msg":"KeyError"}'),
             (400, "The avatar did not accept the request", "upstream_rejected")),
        ],
    )  # read as a table # fmt: skip
    async def test_every_fault_has_its_answer(
        self, stage: Stage, ann: User, fault: Fault, expected: tuple[int, str, str]
    ) -> None:
        session = await offered(ann)
        stage.instances[0].faults["/is_speaking"] = fault
        stage.clear()
        answer = await ask(ann, "POST", "is_speaking", json={"sessionid": session})
        assert refusal(answer) == expected
        assert stage.received == ["/is_speaking"]

    async def test_a_session_that_is_gone_is_forgotten(self, stage: Stage, ann: User) -> None:
        session = await offered(ann)
        stage.instances[0].sessions.discard(session)
        gone, not_mine = [
            await ask(ann, "POST", "is_speaking", json={"sessionid": session}) for _ in range(2)
        ]
        assert refusal(gone) == (404, "WebRTC session not found or expired", "not_found")
        assert refusal(not_mine)[0] == 403

    async def test_an_instance_that_starts_says_so(self, stage: Stage, ann: User) -> None:
        session = await offered(ann)
        stage.instances[0].starting = True
        answer = await ask(ann, "POST", "human", json={"sessionid": session, "text": "x", "type": "echo"})
        assert refusal(answer)[:2] == (503, "The avatar is still starting. Please try again.")


class TestConfig:
    async def test_without_servers(self, stage: Stage, ann: User, eve: User) -> None:
        for user in (ann, eve):
            answer = await user.get("/api/webrtc/config")
            assert (answer.status_code, answer.json()) == (200, {"iceServers": []})
        assert refusal(await stage.house.client.get("/api/webrtc/config"))[0] == 401

    async def test_relays_open_for_this_user_for_some_hours(
        self, tmp_path: Path, redis: object, valkey: Valkey
    ) -> None:
        servers = [
            "stun:stun.school.org:3478",
            {"urls": ["turn:turn.school.org:3478?transport=udp", "turns:turn.school.org"]},
            {"urls": "turn:own.school.org", "username": "a", "credential": "b"},
        ]
        environ = {"ICE_SERVERS": json.dumps(servers), "TURN_SECRET": "north"}
        async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL="http://127.0.0.1:9", **environ) as house:
            user = await house.user()
            stun, turn, own = (await user.get("/api/webrtc/config")).json()["iceServers"]
        assert stun == {"urls": ["stun:stun.school.org:3478"]}
        assert own == {"urls": ["turn:own.school.org"], "username": "a", "credential": "b"}
        assert turn["urls"] == servers[1]["urls"]  # type: ignore[index]  # a dictionary
        until, _, id = turn["username"].partition(":")
        assert time.time() + 3600 < int(until) < time.time() + 86400
        assert id == "1"
        digest = hmac.digest(b"north", turn["username"].encode(), hashlib.sha1)
        assert turn["credential"] == base64.b64encode(digest).decode()


async def test_an_instance_that_has_moved_is_found_again(stage: Stage, ann: User) -> None:
    """A restart at another port: the next offer goes there, and old sessions are over."""
    lea = await stage.house.user("lea@example.org")
    assert (await start(lea, "avatar_5")).status_code == 200
    session = await offered(lea)
    process = stage.manager.processes["avatar_5"]
    assert process.server is not None
    await process.server.__aexit__()
    gone = await ask(lea, "POST", "is_speaking", json={"sessionid": session})
    assert refusal(gone)[:2] == (502, "Avatar is not reachable. Please start it again.")

    async with AvatarInstanceServer(first_session=700_001) as elsewhere:
        process.port, process.pid = elsewhere.port, process.pid + 1000
        answer = await lea.post("/api/webrtc/offer", json=OFFER)
        assert answer.status_code == 200
        assert answer.json()["sessionid"] in elsewhere.sessions
        old = await ask(lea, "POST", "is_speaking", json={"sessionid": session})
        assert refusal(old)[0] == 403
        assert [request.path for request in elsewhere.received] == ["/offer"]
    assert (await lea.post("/api/avatar/disconnect")).status_code == 200
