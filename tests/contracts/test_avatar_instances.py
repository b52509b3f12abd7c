"""What AvatarInstances promises, asked of the fake and of the adapter against a real instance server; then
what only the wire can show."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from adapters.http.avatar_instance import HttpAvatarInstances
from adapters.loopback import instance_secret
from application.ports.avatar_instances import (
    AvatarInstances,
    CallRejected,
    InstanceFailed,
    InstanceStarting,
    InstanceTimeout,
    InstanceUnreachable,
    NotAccepted,
    ProxyCall,
    SessionLimitReached,
    Sound,
)
from domain.avatar import AvatarName, Instance, Lease, LeaseNumber, RtcSession, RtcSessionGone
from domain.errors import DomainError
from domain.user import UserId
from tests.fakes.avatar_instances import FakeAvatarInstances
from tests.free_port import free_port
from tests.servers.avatar_instance import AvatarInstanceServer, Spoken
from tests.servers.http import Fault
from tests.transports import TRANSPORTS, client_over

OFFER = "v=0 offer"
OWN, OTHERS = "http://127.0.0.1:1", "http://gpu:8607"
SECRET = "s" * 32
NOBODY = RtcSession(999_999)


def lease_at(port: int, *, host: str = "127.0.0.1", manager: str = OTHERS) -> Lease:
    instance = Instance(manager=manager, avatar=AvatarName("mira"), host=host, port=port)
    return Lease(
        user=UserId(7),
        avatar=instance.avatar,
        number=LeaseNumber(1),
        instance=instance,
        started_at=0.0,
        confirmed_at=0.0,
    )


@dataclass
class Subject:
    instances: AvatarInstances
    lease: Lease
    set: Callable[[str, object], None]
    said: Callable[[], list[tuple[int, str]]]


@pytest.fixture
async def server() -> AsyncIterator[AvatarInstanceServer]:
    async with AvatarInstanceServer() as server:
        yield server


@pytest.fixture(params=TRANSPORTS)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    async with client_over(request.param) as client:
        yield client


@pytest.fixture(params=["fake", "http"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "fake":
        fake = FakeAvatarInstances()
        yield Subject(
            fake,
            lease_at(1),
            lambda name, value: setattr(fake, name, value),
            lambda: [(int(rtc), text) for rtc, text in fake.said],
        )
        return
    async with AvatarInstanceServer() as server, client_over("lean") as client:
        yield Subject(
            HttpAvatarInstances(client),
            lease_at(server.port),
            lambda name, value: setattr(server, name, value),
            lambda: [(each.session, each.text) for each in server.said],
        )


class TestEveryOne:
    async def test_an_offer_brings_an_answer_and_a_session(self, subject: Subject) -> None:
        first = await subject.instances.offer(subject.lease, OFFER)
        second = await subject.instances.offer(subject.lease, OFFER)

        assert first.rtc != second.rtc
        assert json.loads(first.body) == {"sdp": first.sdp, "type": "answer", "sessionid": first.rtc}

    async def test_a_full_house_refuses_offers(self, subject: Subject) -> None:
        subject.set("max_sessions", 1)
        await subject.instances.offer(subject.lease, OFFER)
        with pytest.raises(SessionLimitReached):
            await subject.instances.offer(subject.lease, OFFER)

    async def test_what_is_spoken_reaches_its_session_in_order(self, subject: Subject) -> None:
        one = (await subject.instances.offer(subject.lease, OFFER)).rtc
        two = (await subject.instances.offer(subject.lease, OFFER)).rtc
        for rtc, text in ((one, "Plants"), (two, "2 ≥ 1"), (one, 'make "sugar".\u2028')):
            await subject.instances.speak(subject.lease, rtc, text)
        assert subject.said() == [(one, "Plants"), (two, "2 ≥ 1"), (one, 'make "sugar".\u2028')]

    async def test_silence_and_speech(self, subject: Subject) -> None:
        rtc = (await subject.instances.offer(subject.lease, OFFER)).rtc
        assert await subject.instances.is_speaking(subject.lease, rtc) is False
        subject.set("talking", {rtc})
        assert await subject.instances.is_speaking(subject.lease, rtc) is True
        await subject.instances.interrupt(subject.lease, rtc)

    async def test_a_session_that_is_gone_is_said_to_be(self, subject: Subject) -> None:
        for ask in (
            subject.instances.speak(subject.lease, NOBODY, "Hello"),
            subject.instances.interrupt(subject.lease, NOBODY),
            subject.instances.is_speaking(subject.lease, NOBODY),
            subject.instances.pass_on(subject.lease, ProxyCall("POST", "is_speaking", NOBODY)),
        ):
            with pytest.raises(RtcSessionGone):
                await ask

    async def test_a_refusal_is_one(self, subject: Subject) -> None:
        rtc = (await subject.instances.offer(subject.lease, OFFER)).rtc
        subject.set("refuses", True)
        with pytest.raises(NotAccepted):
            await subject.instances.speak(subject.lease, rtc, "Hello")

    async def test_other_calls_are_passed_on(self, subject: Subject) -> None:
        rtc = (await subject.instances.offer(subject.lease, OFFER)).rtc
        passed = await subject.instances.pass_on(subject.lease, ProxyCall("POST", "interrupt_talk", rtc))
        assert (passed.status, passed.content_type) == (200, "application/json")
        assert json.loads(passed.body) == {"code": 0, "msg": "ok"}
        health = await subject.instances.pass_on(subject.lease, ProxyCall("GET", "health"))
        assert json.loads(health.body)["sessions"] == 1


class TestTheWire:
    @pytest.fixture
    def instances(self, client: httpx.AsyncClient) -> HttpAvatarInstances:
        return HttpAvatarInstances(client, (OWN, SECRET), proxy_s=0.4, speech_s=0.4)

    async def test_bodies_are_made_anew(
        self, instances: HttpAvatarInstances, server: AvatarInstanceServer
    ) -> None:
        lease = lease_at(server.port)
        rtc = (await instances.offer(lease, OFFER)).rtc
        await instances.speak(lease, rtc, "Hello")
        told: dict[str, str | int | bool] = {"text": "x", "type": "echo", "interrupt": True}
        await instances.pass_on(lease, ProxyCall("POST", "human", rtc, told))

        offer, spoken, passed = server.received
        assert offer.json() == {"sdp": OFFER, "type": "offer"}
        assert spoken.json() == {"sessionid": rtc, "text": "Hello", "type": "echo"}
        assert passed.json() == {"sessionid": rtc, **told}
        assert server.said == [Spoken(rtc, "Hello"), Spoken(rtc, "x")]

    async def test_only_these_headers_go_out(
        self, instances: HttpAvatarInstances, server: AvatarInstanceServer
    ) -> None:
        await instances.offer(lease_at(server.port), OFFER)
        (request,) = server.received
        known = {
            "host",
            "accept",
            "accept-encoding",
            "user-agent",
            "connection",
            "content-length",
            "content-type",
        }
        assert set(request.headers) <= known
        assert request.headers["content-type"] == request.headers["accept"] == "application/json"
        assert request.headers["accept-encoding"] == "identity"

    async def test_the_secret_is_for_our_own_pool_alone(
        self, instances: HttpAvatarInstances, server: AvatarInstanceServer
    ) -> None:
        await instances.offer(lease_at(server.port), OFFER)
        await instances.offer(lease_at(server.port, manager=OWN + "/"), OFFER)
        foreign, own = server.received
        assert "x-avatar-secret" not in foreign.headers
        assert own.headers["x-avatar-secret"] == instance_secret(SECRET, server.port) != SECRET

    async def test_a_sound_is_streamed(
        self, instances: HttpAvatarInstances, server: AvatarInstanceServer, tmp_path: Path
    ) -> None:
        recording = tmp_path / "sound"
        recording.write_bytes(bytes(range(256)) * 4000)
        lease = lease_at(server.port)
        rtc = (await instances.offer(lease, OFFER)).rtc
        sound = Sound(recording, recording.stat().st_size, "wav")
        await instances.pass_on(lease, ProxyCall("POST", "humanaudio", rtc, sound=sound))
        fields, files = server.received[-1].form()
        assert fields == {"sessionid": str(rtc)}
        assert (files["file"].name, files["file"].content) == ("sound.wav", recording.read_bytes())

    async def test_a_file_that_has_changed_is_not_sent_on(
        self, instances: HttpAvatarInstances, server: AvatarInstanceServer, tmp_path: Path
    ) -> None:
        recording = tmp_path / "sound"
        recording.write_bytes(b"x" * 10)
        for size in (5, 20):
            call = ProxyCall("POST", "humanaudio", RtcSession(1), sound=Sound(recording, size, "wav"))
            with pytest.raises(InstanceFailed):
                await instances.pass_on(lease_at(server.port), call)
        assert server.sounds == []

    @pytest.mark.parametrize(
        ("fault", "refusal"),
        [
            (Fault(status=503), InstanceStarting),
            (Fault(status=500, body=b"Traceback", content_type="text/plain"), InstanceFailed),
            (Fault(status=502), InstanceFailed),
            (Fault(status=404, body=b"404: Not Found"), InstanceFailed),
            (Fault(status=404, body=b'{"code":0}'), InstanceFailed),
            (Fault(status=401, body=b"{}"), InstanceFailed),
            (Fault(status=400, body=b'{"code":-1}'), CallRejected),
            (Fault(status=422, body=b"{}"), CallRejected),
            (Fault(status=200, body=b"<html>"), InstanceFailed),
            (Fault(status=200, body=b""), InstanceFailed),
            (Fault(status=200, body=b"null"), InstanceFailed),
            (Fault(status=200, body=b"[]"), InstanceFailed),
            (Fault(status=200, body=b"[" * 100_000), InstanceFailed),
            (Fault(status=200, body=b'{"code":-1}'), NotAccepted),
            (Fault(status=200, body=b'{"code":"-1"}'), NotAccepted),
            (Fault(status=204), InstanceFailed),
            (Fault(status=302, headers={"location": "/health"}), InstanceFailed),
            (Fault(status=307, headers={"location": "/health"}), InstanceFailed),
            (Fault(status=200, body=b'{"a":"' + b"x" * 1_100_000 + b'"}'), InstanceFailed),
            (Fault(status=200, body=b"{}", headers={"content-encoding": "gzip"}), InstanceFailed),
            (Fault(reset=True), InstanceFailed),
            (Fault(hang=True), InstanceTimeout),
        ],
    )
    async def test_what_goes_wrong(
        self,
        instances: HttpAvatarInstances,
        server: AvatarInstanceServer,
        fault: Fault,
        refusal: type[DomainError],
    ) -> None:
        server.faults["/is_speaking"] = fault
        with pytest.raises(refusal) as caught:
            await instances.pass_on(lease_at(server.port), ProxyCall("POST", "is_speaking", RtcSession(1)))
        assert type(caught.value) is refusal
        assert [request.path for request in server.received] == ["/is_speaking"]

    @pytest.mark.parametrize(
        "answer",
        [
            {"type": "answer", "sessionid": 1},
            {"sdp": "", "type": "answer", "sessionid": 1},
            {"sdp": 1, "type": "answer", "sessionid": 1},
            {"sdp": "v=0", "type": "offer", "sessionid": 1},
            {"sdp": "v=0", "type": "answer"},
            {"sdp": "v=0", "type": "answer", "sessionid": -1},
            {"sdp": "v=0", "type": "answer", "sessionid": True},
            {"sdp": "v=0", "type": "answer", "sessionid": "100001"},
            {"sdp": "v=0", "type": "answer", "sessionid": 1.5},
        ],
    )
    async def test_no_answer_without_sdp_and_session(
        self, instances: HttpAvatarInstances, server: AvatarInstanceServer, answer: dict[str, object]
    ) -> None:
        server.faults["/offer"] = Fault(status=200, body=json.dumps(answer).encode())
        with pytest.raises(InstanceFailed):
            await instances.offer(lease_at(server.port), OFFER)

    async def test_an_offer_that_makes_no_sense_to_it(
        self, instances: HttpAvatarInstances, server: AvatarInstanceServer
    ) -> None:
        with pytest.raises(InstanceFailed):
            await instances.offer(lease_at(server.port), "not sdp")

    async def test_a_token_of_its_own_is_not_handed_on(
        self, instances: HttpAvatarInstances, server: AvatarInstanceServer
    ) -> None:
        server.extra = {"token": "forged", "more": 1}
        answer = await instances.offer(lease_at(server.port), OFFER)
        assert json.loads(answer.body) == {
            "sdp": answer.sdp,
            "type": "answer",
            "sessionid": answer.rtc,
            "more": 1,
        }

    async def test_nobody_there(self, instances: HttpAvatarInstances) -> None:
        with pytest.raises(InstanceUnreachable):
            await instances.offer(lease_at(free_port()), OFFER)

    @pytest.mark.parametrize(
        ("host", "port"),
        [
            ("127.0.0.1", 0),
            ("127.0.0.1", 65536),
            ("a/b", 80),
            ("user@host", 80),
            ("", 80),
            ("a?b", 80),
            ("a b", 80),
        ],
    )
    async def test_a_lease_that_names_no_place_leads_nowhere(
        self, instances: HttpAvatarInstances, host: str, port: int
    ) -> None:
        with pytest.raises(InstanceFailed):
            await instances.offer(lease_at(port, host=host), OFFER)

    async def test_no_path_but_its_own(
        self, instances: HttpAvatarInstances, server: AvatarInstanceServer
    ) -> None:
        for path in ("", "offer/", "../offer", "admin", "offer?x=1", "OFFER"):
            with pytest.raises(InstanceFailed):
                await instances.pass_on(lease_at(server.port), ProxyCall("POST", path))
        assert server.received == []

    async def test_a_hanging_one_is_let_go(
        self, instances: HttpAvatarInstances, server: AvatarInstanceServer
    ) -> None:
        server.faults["/human"] = Fault(hang=True)
        began = asyncio.get_running_loop().time()
        with pytest.raises(InstanceTimeout):
            await instances.speak(lease_at(server.port), RtcSession(1), "Hello", within_s=0.2)
        assert asyncio.get_running_loop().time() - began < 1
        await server.until(lambda: len(server.abandoned) == 1)

    async def test_proxies_of_the_environment_count_for_nothing(
        self, instances: HttpAvatarInstances, server: AvatarInstanceServer
    ) -> None:
        assert instances.client.trust_env is False
        lease = replace(lease_at(server.port), user=UserId(8))
        assert (await instances.offer(lease, OFFER)).rtc in server.sessions
