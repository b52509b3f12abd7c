"""Leases (contract 7.2), the rtc session in use (4.4), and what clients do with them (14, 15)."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from adapters.redis.avatar_leases import RedisAvatarLeases
from adapters.redis.client import connect
from domain.avatar import RtcSession
from domain.user import UserId
from tests.conftest import Valkey
from tests.integration.house import User
from tests.integration.http.answers import fields_of, refusal
from tests.integration.http.avatars import START_S, Gallery, a_gallery, mapping
from tests.integration.waiting import until
from tests.servers.avatar_manager import FULL, NO_PORT
from tests.servers.http import Fault
from tests.servers.llm_service import LlmServiceServer

BUSY = (503, "All avatars are busy. Please try again later.", "capacity")
TIMEOUT = (504, "Avatar Manager timeout", "upstream_timeout")
AWAY = (503, "Error connecting to Avatar Manager", "upstream_unavailable")
NONSENSE = (502, "Invalid JSON response from Avatar Manager", "upstream_error")
REFUSED = (400, "Avatar could not be started", "upstream_rejected")
NO_ID = (400, "No session ID provided", "missing_field")


@pytest.fixture(scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory, home_redis: Redis, valkey: Valkey, llm: LlmServiceServer
) -> AsyncIterator[Gallery]:
    async with a_gallery(tmp_path_factory.mktemp("gallery"), f"{valkey.url}?db=1", llm) as made:
        yield made


@pytest.fixture(scope="module")
async def ann(shared: Gallery) -> User:
    return await shared.house.user("ann@example.org")


@pytest.fixture(scope="module")
async def bob(shared: Gallery, ann: User) -> User:
    return await shared.house.user("bob@example.org")


@pytest.fixture
def redis(home_redis: Redis) -> Redis:
    return home_redis


@pytest.fixture
async def gallery(shared: Gallery, redis: Redis) -> Gallery:
    """Nobody has an avatar, and the managers are well."""
    for key in redis.keys("*avatar:*") + redis.keys("rtc:*") + redis.keys("sessionid:*"):
        redis.delete(key)
    await shared.well()
    return shared


@pytest.fixture
async def leases(valkey: Valkey, gallery: Gallery) -> AsyncIterator[RedisAvatarLeases]:
    """As any worker sees them."""
    async with connect(f"{valkey.url}?db=1") as client:
        yield RedisAvatarLeases(client, 1800)


class TestStarting:
    async def test_tells_where_it_is(self, gallery: Gallery, ann: User, redis: Redis) -> None:
        answer = await gallery.start(ann)

        assert answer.status_code == 200
        port = gallery.manager.processes["mira"].port
        assert fields_of(answer) == {
            "status": "success",
            "avatar_id": "mira_user_1",
            "port": port,
            "webrtc_url": "/api/webrtc/offer",
            "gpu": 0,
            "connections": 1,
            "is_new_instance": True,
            "message": f"Avatar started successfully (port {port}, connections: 1)",
        }
        [request] = gallery.manager.asked("/avatar/start")
        assert request.json() == {"avatar_id": "mira_user_1", "avatar_name": "mira"}
        assert {"authorization", "cookie", "x-avatar-secret"}.isdisjoint(request.headers)
        held = mapping(redis)
        assert held
        assert (held["avatar_id"], held["port"], held["instance_id"]) == ("mira", port, "mira_user_1")
        assert held["manager"] == gallery.manager.url
        assert 1790 < redis.ttl("avatar:lease:1") <= 1800
        assert not redis.exists("avatar:lock:1")

    async def test_takes_any_form(self, gallery: Gallery, ann: User) -> None:
        for form in (
            {"data": {"avatar_name": "mira", "timeout": "30000"}},
            {"files": {"avatar_name": (None, "mira")}},
            {"json": {"avatar_name": "mira"}},
        ):
            answer = await ann.post("/api/avatar/start", **form)
            assert answer.status_code == 200, answer.text
        assert gallery.manager.counts == {"mira": 1}

    async def test_again_counts_once(self, gallery: Gallery, ann: User, redis: Redis) -> None:
        port = (await gallery.start(ann)).json()["port"]
        redis.expire("avatar:lease:1", 10)
        again = await gallery.start(ann)
        assert again.json()["message"] == f"Avatar reused successfully (port {port}, connections: 1)"
        assert again.json()["is_new_instance"] is False
        assert len(gallery.manager.asked("/avatar/start")) == 1
        assert redis.ttl("avatar:lease:1") > 1790

    async def test_shares_an_instance(self, gallery: Gallery, ann: User, bob: User) -> None:
        await gallery.start(ann)
        shared = (await gallery.start(bob)).json()
        assert (shared["avatar_id"], shared["connections"]) == ("mira_user_2", 2)
        assert shared["is_new_instance"] is False
        assert gallery.manager.counts == {"mira": 2}

    async def test_says_when_the_process_is_new(self, gallery: Gallery, ann: User, bob: User) -> None:
        await gallery.start(ann)
        await gallery.manager.relaunch("mira")
        found = (await gallery.start(bob)).json()
        assert (found["connections"], found["is_new_instance"]) == (2, True)

    async def test_six_at_once_count_once(self, gallery: Gallery, ann: User) -> None:
        gallery.manager.start_s = 0.05
        answers = await asyncio.gather(*(gallery.start(ann) for _ in range(6)))
        assert {answer.status_code for answer in answers} == {200}
        assert gallery.manager.counts == {"mira": 1}

    async def test_a_switch_disconnects_the_old_one_once(
        self, gallery: Gallery, ann: User, redis: Redis
    ) -> None:
        await gallery.start(ann)
        first = mapping(redis)
        await gallery.start(ann, "otto")  # the reference web client asks twice
        answer = await ann.post("/api/avatar/start", files={"avatar_name": (None, "otto")})
        assert answer.json()["avatar_id"] == "otto_user_1"
        [parting] = gallery.manager.asked("/avatar/disconnect")
        assert parting.json() == {"avatar_name": "mira"}
        assert gallery.manager.counts == {"otto": 1}
        second = mapping(redis)
        assert first
        assert second
        assert int(str(second["number"])) > int(str(first["number"]))

    async def test_two_switches_at_once_leave_one(self, gallery: Gallery, ann: User, redis: Redis) -> None:
        gallery.manager.start_s = 0.05
        await asyncio.gather(*(gallery.start(ann, name) for name in ("mira", "otto", "lena")))
        held = mapping(redis)
        assert held
        assert gallery.manager.counts == {held["avatar_id"]: 1}

    async def test_a_switch_forgets_the_viewers_of_the_old_one(
        self, gallery: Gallery, ann: User, leases: RedisAvatarLeases, redis: Redis
    ) -> None:
        await gallery.start(ann)
        lease = await leases.of(UserId(1))
        assert lease
        await leases.capture(lease, RtcSession(123456))
        await gallery.start(ann, "otto")
        assert not redis.exists("rtc:1", "sessionid:1")


class TestRefusing:
    @pytest.mark.parametrize("form", [{}, {"data": {"avatar_name": ""}}, {"data": {"name": "mira"}}])
    async def test_no_name(self, gallery: Gallery, ann: User, form: dict[str, dict[str, str]]) -> None:
        answer = await ann.post("/api/avatar/start", **form)
        assert refusal(answer) == (400, "Missing 'avatar_name' in form-data", "missing_field")

    @pytest.mark.parametrize(
        "name",
        ["a b", "../mira", "mira;id", "$(id)", "`id`", "mira\n", "-x", "_x", ".", "a" * 65, "mirá", "a|b",
         "a&b", "a>b", "a/b", "a\\b", "a'b", 'a"b', "a*", "~", "%2e", "mira ", "米拉"],
    )  # read as a table # fmt: skip
    async def test_an_invalid_name_reaches_nobody(self, gallery: Gallery, ann: User, name: str) -> None:
        answer = await gallery.start(ann, name)
        assert refusal(answer) == (400, "Invalid avatar name", "invalid_avatar_name")
        assert gallery.manager.received == []
        assert gallery.live.received == []

    async def test_one_that_the_catalogue_does_not_have(self, gallery: Gallery, ann: User) -> None:
        answer = await gallery.start(ann, "nobody")
        assert refusal(answer)[:2] == (400, "Avatar 'nobody' does not exist")
        assert gallery.manager.received == []

    async def test_one_that_only_the_manager_can_tell(self, gallery: Gallery, ann: User) -> None:
        gallery.live.faults["*"] = Fault(status=500, body=b"{}")
        assert refusal(await gallery.start(ann, "nobody")) == REFUSED
        assert (await gallery.start(ann)).status_code == 200

    async def test_a_catalogue_that_hangs_holds_up_little(self, gallery: Gallery, ann: User) -> None:
        gallery.live.faults["*"] = Fault(hang=True)
        async with asyncio.timeout(4):
            assert (await gallery.start(ann)).status_code == 200

    @pytest.mark.parametrize("message", [FULL, NO_PORT])
    async def test_a_full_manager(self, gallery: Gallery, ann: User, message: str, redis: Redis) -> None:
        body = json.dumps({"status": "error", "message": message}, ensure_ascii=False).encode()
        gallery.manager.faults["/avatar/start"] = Fault(status=400, body=body, headers={"retry-after": "9"})
        answer = await gallery.start(ann)
        assert refusal(answer) == BUSY
        assert answer.headers["retry-after"] == "9"
        assert mapping(redis) is None

    async def test_the_sixth_instance(self, gallery: Gallery, ann: User, bob: User) -> None:
        gallery.manager.limit = 1
        assert (await gallery.start(ann)).status_code == 200
        assert refusal(await gallery.start(bob, "otto")) == BUSY
        assert gallery.manager.counts == {"mira": 1}

    async def test_any_other_refusal(self, gallery: Gallery, ann: User, redis: Redis) -> None:
        body = '{"status":"error","message":"启动失败 /srv/avatars/x"}'.encode()
        gallery.manager.faults["/avatar/start"] = Fault(status=400, body=body)
        answer = await gallery.start(ann)
        assert refusal(answer) == REFUSED
        assert "srv" not in answer.text
        assert mapping(redis) is None

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(status=200, body=b"<html>", content_type="text/html"),
            Fault(status=200, body=b'{"status":"success","data":{}}'),
            Fault(status=500, body=b'{"status":"error","message":"Traceback"}'),
            Fault(status=200, body=b'{"status":"success","data":{"port":6379}}'),
            Fault(reset=True),
        ],
        ids=["html", "no port", "500", "a port of others", "cut off"],
    )
    async def test_an_answer_that_makes_no_sense(
        self, gallery: Gallery, ann: User, fault: Fault, redis: Redis
    ) -> None:
        gallery.manager.faults["/avatar/start"] = fault
        assert refusal(await gallery.start(ann)) == NONSENSE
        assert mapping(redis) is None
        assert not redis.exists("avatar:lock:1")

    async def test_a_manager_that_is_down(self, gallery: Gallery, ann: User, redis: Redis) -> None:
        await gallery.manager.__aexit__()
        try:
            assert refusal(await gallery.start(ann)) == AWAY
            assert mapping(redis) is None
        finally:
            await gallery.manager.__aenter__()
        assert (await gallery.start(ann)).status_code == 200


class TestSlowManagers:
    async def test_are_given_up_and_adopted_when_they_have_done_it(
        self, gallery: Gallery, ann: User, redis: Redis
    ) -> None:
        gallery.manager.start_s = START_S + 0.5
        assert refusal(await gallery.start(ann)) == TIMEOUT
        assert mapping(redis) is None

        async def adopted() -> bool:
            return mapping(redis) is not None

        await until(adopted)
        assert gallery.manager.counts == {"mira": 1}
        assert (await gallery.start(ann)).json()["is_new_instance"] is False
        assert len(gallery.manager.asked("/avatar/start")) == 1

    async def test_are_disconnected_when_the_user_has_another_by_then(
        self, gallery: Gallery, ann: User, redis: Redis
    ) -> None:
        gallery.manager.start_s = START_S + 0.2
        assert refusal(await gallery.start(ann)) == TIMEOUT
        gallery.manager.start_s = 0.0
        await asyncio.sleep(0.3)
        assert (await gallery.start(ann, "otto")).status_code == 200
        await gallery.until_counted(otto=1)
        held = mapping(redis)
        assert held
        assert held["avatar_id"] == "otto"

    async def test_hold_up_nobody_else(self, gallery: Gallery, ann: User) -> None:
        gallery.manager.faults["/avatar/start"] = Fault(hang=True)
        waiting = asyncio.create_task(gallery.start(ann))
        await asyncio.sleep(0.05)
        began = asyncio.get_running_loop().time()
        told = await ann.ask("What is osmosis?")
        assert told.kinds[-1] == "complete"
        assert asyncio.get_running_loop().time() - began < START_S
        assert refusal(await waiting) == TIMEOUT


class TestDisconnecting:
    async def test_gives_it_back(self, gallery: Gallery, ann: User, redis: Redis) -> None:
        await gallery.start(ann)
        answer = await ann.post("/api/avatar/disconnect")
        assert (answer.status_code, fields_of(answer)) == (
            200,
            {"status": "success", "message": "Disconnected from avatar mira"},
        )
        assert gallery.manager.counts == {}
        assert mapping(redis) is None
        again = await ann.post("/api/avatar/disconnect")
        assert (again.status_code, again.json()) == (200, {"msg": "No active avatar connection"})
        assert len(gallery.manager.asked("/avatar/disconnect")) == 1

    async def test_is_noted_when_the_manager_is_away(self, gallery: Gallery, ann: User) -> None:
        await gallery.start(ann)
        gallery.manager.faults["/avatar/disconnect"] = Fault(status=503, body=b"{}")
        answer = await ann.post("/api/avatar/disconnect")
        assert answer.json() == {"status": "success", "message": "Disconnection noted"}
        assert gallery.manager.counts == {"mira": 1}
        gallery.manager.faults.clear()
        await gallery.until_counted()  # made later

    async def test_is_for_oneself(self, gallery: Gallery, ann: User, bob: User) -> None:
        await gallery.start(ann)
        assert (await bob.post("/api/avatar/disconnect")).json() == {"msg": "No active avatar connection"}
        assert gallery.manager.counts == {"mira": 1}


class TestIdentity:
    async def test_a_moved_instance_is_looked_up_again(
        self, gallery: Gallery, ann: User, redis: Redis
    ) -> None:
        port = (await gallery.start(ann)).json()["port"]
        await gallery.manager.relaunch("mira")
        long_ago(redis)
        again = (await gallery.start(ann)).json()
        assert again["port"] != port
        assert gallery.manager.counts == {"mira": 1}

    async def test_a_lease_whose_instance_is_gone_goes(
        self, gallery: Gallery, ann: User, redis: Redis
    ) -> None:
        await gallery.start(ann)
        await gallery.manager.lose()
        long_ago(redis)

        async def gone() -> bool:
            return mapping(redis) is None

        await until(gone, 8)
        assert gallery.manager.asked("/avatar/disconnect") == []

    async def test_a_silent_manager_ends_no_lease(self, gallery: Gallery, ann: User, redis: Redis) -> None:
        await gallery.start(ann)
        gallery.manager.faults["*"] = Fault(hang=True)
        long_ago(redis)
        assert (await gallery.start(ann)).json()["message"].startswith("Avatar reused")
        gallery.manager.faults.clear()

    async def test_old_mappings_count_for_nothing(self, gallery: Gallery, ann: User, redis: Redis) -> None:
        older = {"avatar_id": "mira", "port": 8615, "instance_id": "mira_user_1", "timestamp": 1.0}
        redis.hset("avatar:user_mappings", mapping={"1": json.dumps(older), "2": json.dumps(older)})

        async def gone() -> bool:
            return redis.hlen("avatar:user_mappings") == 0

        await until(gone)
        assert (await ann.post("/api/avatar/disconnect")).json() == {"msg": "No active avatar connection"}


def long_ago(redis: Redis) -> None:
    """The manager was last heard of an hour ago."""
    held = mapping(redis)
    assert held
    held["confirmed"] = float(str(held["confirmed"])) - 3600
    redis.hset("avatar:user_mappings", "1", json.dumps(held))


class TestTheRtcSession:
    @pytest.mark.parametrize(
        "body", ['{"sessionid":123456}', '{"sessionid":"123456"}', '{"sessionid":123456.0}']
    )
    async def test_of_ones_own_is_selected(
        self, gallery: Gallery, ann: User, leases: RedisAvatarLeases, redis: Redis, body: str
    ) -> None:
        await gallery.start(ann)
        lease = await leases.of(UserId(1))
        assert lease
        for rtc in (123456, 654321):
            await leases.capture(lease, RtcSession(rtc))
        answer = await select(ann, body)
        assert (answer.status_code, answer.content) == (200, b"")
        assert redis.get("sessionid:1") == b"123456"

    @pytest.mark.parametrize("body", ['{"sessionid":1}', '{"sessionid":-3}', '{"sessionid":"7","x":1}',
                                      '{"sessionid":99999999999999999999999}'])  # read as a table # fmt: skip
    async def test_of_anybody_else_has_no_effect(
        self, gallery: Gallery, ann: User, redis: Redis, body: str
    ) -> None:
        for held in (False, True):
            if held:
                await gallery.start(ann)
            answer = await select(ann, body)
            assert (answer.status_code, answer.content) == (200, b"")
            assert not redis.exists("sessionid:1")

    @pytest.mark.parametrize(
        "body",
        ["", "{}", '{"sessionid":null}', '{"sessionid":0}', '{"sessionid":""}', '{"sessionid":"x"}',
         '{"sessionid":"-1"}', '{"sessionid":1.5}', '{"sessionid":true}', '{"sessionid":[1]}', "[1]", "null",
         "sessionid=1", "{"],
    )  # read as a table # fmt: skip
    async def test_that_is_none_is_refused(self, gallery: Gallery, ann: User, body: str) -> None:
        assert refusal(await select(ann, body)) == NO_ID

    async def test_is_read_from_the_body_alone(self, gallery: Gallery, ann: User) -> None:
        headers = {**ann.headers, "sessionid": "123456"}
        answer = await gallery.house.client.post("/api/sessionid", headers=headers, json={})
        assert refusal(answer) == NO_ID
        answer = await gallery.house.client.post(
            "/api/sessionid", headers=headers, data={"sessionid": "123456"}
        )
        assert refusal(answer) == NO_ID


async def select(user: User, body: str) -> httpx.Response:
    headers = {**user.headers, "content-type": "application/json"}
    return await user.house.client.post("/api/sessionid", headers=headers, content=body.encode())


async def test_nobody_else_may_call(gallery: Gallery) -> None:
    for path in ("/api/avatar/start", "/api/avatar/disconnect", "/api/sessionid"):
        answer = await gallery.house.client.post(path, data={"avatar_name": "mira"})
        assert refusal(answer)[0] == 401
    assert gallery.manager.received == []


async def test_leases_are_the_same_for_all_workers(
    gallery: Gallery, ann: User, valkey: Valkey, redis: Redis
) -> None:
    await gallery.start(ann)
    async with connect(f"{valkey.url}?db=1") as client:
        assert isinstance(client, AsyncRedis)
        lease = await RedisAvatarLeases(client, 1800).of(UserId(1))
    assert lease
    assert lease.avatar == "mira"
