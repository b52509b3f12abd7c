"""Our own Avatar Manager, as a real process with real children, over its own protocol."""

import asyncio
import os
import re
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.loopback import SECRET_HEADER, instance_secret
from entrypoints.children.avatar_manager import SECRET, USUAL_NAME
from tests.free_port import free_port
from tests.integration.served import children_of, is_alive

KEY = "k" * 32
ROOT = Path(__file__).parents[2]
NEVER = 3600.0
BAD_NAMES = ["", "-ada", "a b", "ada;rm", "../ada", "ада", "a" * 65, "ada\n", "$(x)", 1, True, [], {}, None]


@dataclass
class Manager:
    process: Process
    client: httpx.AsyncClient
    faults: Path  # a file named after a look says how its stand-ins start

    async def start(self, name: str, user: int = 1) -> httpx.Response:
        wish = {"avatar_id": f"{name}_user_{user}", "avatar_name": name}
        return await self.client.post("/avatar/start", json=wish)

    async def started(self, name: str, user: int = 1) -> dict[str, Any]:
        answer = await self.start(name, user)
        assert (answer.status_code, answer.json()["status"]) == (200, "success"), answer.text
        info: dict[str, Any] = answer.json()["data"]
        return info

    async def disconnect(self, name: str) -> httpx.Response:
        return await self.client.post("/avatar/disconnect", json={"avatar_name": name})

    async def listed(self) -> dict[str, dict[str, Any]]:
        answer = (await self.client.get("/avatar/list")).json()
        assert (answer["status"], answer["count"]) == ("success", len(answer["data"]))
        return {info["real_avatar_name"]: info for info in answer["data"]}

    async def tell(self, info: dict[str, Any], path: str) -> None:
        """Make the stand-in behind it do something."""
        url = f"http://127.0.0.1:{info['port']}{path}"
        await self.client.post(url, headers=shown_to(info), timeout=0.5)

    def instances(self) -> list[int]:
        """Their processes, without what is only being started."""
        return [pid for pid in children_of(self.process.pid) if "avatar_stand_in" in command_of(pid)]

    async def until(self, holds: Callable[[], bool], within: float = 5.0) -> float:
        began = time.monotonic()
        while not holds():
            assert time.monotonic() - began < within, self.instances()
            await asyncio.sleep(0.02)
        return time.monotonic() - began


def shown_to(info: dict[str, Any]) -> dict[str, str]:
    """What opens that instance, and no other."""
    return {SECRET_HEADER: instance_secret(KEY, info["port"])}


def command_of(pid: int) -> str:
    try:
        command = (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
    return "" if "tether" in command else command


@asynccontextmanager
async def managing(
    folder: Path, *, limit: int = 4, warm_after: float = NEVER, module: str = "tests.servers.avatar_pool"
) -> AsyncIterator[Manager]:
    port, faults = free_port(), folder / "faults"
    faults.mkdir(exist_ok=True)
    options = ("--port", str(port), "--limit", str(limit), "--warm-after", str(warm_after))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *options),
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            SECRET: KEY,
            "STAND_IN_FAULTS": str(faults),
        },
        stdin=DEVNULL,
    )
    family: set[int] = set()
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={SECRET_HEADER: KEY}, timeout=30, trust_env=False
        ) as client:
            manager = Manager(process, client, faults)
            await answering(manager)
            yield manager
    finally:
        family = children_of(process.pid)
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 10)
    assert not [pid for pid in family if is_alive(pid)]


async def answering(manager: Manager) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                if (await manager.client.get("/health")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    async with managing(tmp_path) as one:
        yield one


async def test_a_start_brings_an_instance_up_and_the_last_disconnect_takes_it_down(manager: Manager) -> None:
    first = await manager.started("ada", 1)

    assert first["avatar_id"] == "ada_user_1"
    assert first["real_avatar_name"] == "ada"
    assert (first["connections"], first["running"], first["gpu"]) == (1, True, None)
    assert first["webrtc_url"] == f"http://127.0.0.1:{first['port']}"
    assert manager.instances() == [first["pid"]]
    health = await manager.client.get(f"{first['webrtc_url']}/health", headers=shown_to(first))
    assert health.json()["look"] == "ada"

    second = await manager.started("ada", 2)
    same = ("port", "pid", "start_time", "avatar_id")
    assert [second[key] for key in same] == [first[key] for key in same]
    assert second["connections"] == 2

    assert (await manager.disconnect("ada")).json()["status"] == "success"
    assert (await manager.listed())["ada"]["connections"] == 1
    assert manager.instances() == [first["pid"]]

    began = time.monotonic()
    assert (await manager.disconnect("ada")).status_code == 200
    assert time.monotonic() - began < 4
    assert (await manager.listed(), manager.instances()) == ({}, [])
    refused = await manager.disconnect("ada")
    assert (refused.status_code, refused.json()["status"]) == (400, "error")


async def test_an_instance_id_alone_names_the_avatar_too(manager: Manager) -> None:
    answer = await manager.client.post("/avatar/start", json={"avatar_id": "ada_user_12"})
    assert answer.json()["data"]["real_avatar_name"] == "ada"
    for id in ("ada", "ada_user_12"):
        told = await manager.client.get(f"/avatar/info/{id}")
        assert told.json()["data"]["pid"] == answer.json()["data"]["pid"]

    assert (
        await manager.client.post("/avatar/disconnect", json={"avatar_id": "ada_user_7"})
    ).status_code == 200

    gone = await manager.client.get("/avatar/info/ada")
    assert (gone.status_code, gone.json()["status"]) == (404, "error")


async def test_health_and_status_tell_the_counts(manager: Manager) -> None:
    await manager.started("ada", 1)
    await manager.started("ada", 2)
    health = (await manager.client.get("/health")).json()
    assert (health["status"], health["service"]) == ("healthy", "avatar-manager")
    status = (await manager.client.get("/status")).json()
    assert (status["status"], status["data"]["gpu"]) == ("success", [])
    told = status["data"]["manager"]
    counts = ("instances", "max_instances", "connections", "processes", "pid")
    assert [told[key] for key in counts] == [1, 4, 2, 1, manager.process.pid]


async def test_the_catalogue_and_its_pictures(manager: Manager) -> None:
    answer = (await manager.client.get("/avatar/get_avatars")).json()

    assert answer["status"] == "success"
    avatars = answer["avatars"]
    assert len(avatars) >= 4
    assert list(avatars)[-1] == USUAL_NAME
    fields = "tts_model timbre avatar_model description support_clone avatar_blur created_at status"
    assert all(set(entry) == set(fields.split()) for entry in avatars.values())
    began, pictures = time.monotonic(), {}
    for name in avatars:
        picture = await manager.client.post("/avatar/preview", data={"avatar_name": name})
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
        assert picture.content.startswith(b"\x89PNG\r\n\x1a\n")
        pictures[name] = picture.content
    assert time.monotonic() - began < 30
    assert len(set(pictures.values())) == len(avatars) - 1  # the usual name is the first look again
    multipart = await manager.client.post("/avatar/preview", files={"avatar_name": (None, "ada")})
    assert multipart.content == pictures["ada"]


@pytest.mark.parametrize("name", ["", "nobody", "../ada", "ada/..", "a" * 5000])
async def test_there_is_no_picture_of_nobody(manager: Manager, name: str) -> None:
    answer = await manager.client.post("/avatar/preview", data={"avatar_name": name})

    assert (answer.status_code, answer.json()["detail"]) == (404, "Avatar not found")


async def test_adding_and_deleting_are_refused_with_a_reason(manager: Manager) -> None:
    clip = {"prompt_face": ("a.mp4", b"x" * 8_000_000)}
    added = await manager.client.post("/avatar/add", data={"name": "zoe"}, files=clip)
    assert added.status_code == 400
    assert "GPU avatar pool" in added.json()["detail"]

    kept = await manager.client.post("/avatar/delete", data={"name": "ada"})
    assert (kept.status_code, kept.json()["status"]) == (400, "error")
    assert "cannot be deleted" in kept.json()["detail"]
    unknown = await manager.client.post("/avatar/delete", data={"name": "zoe"})
    assert unknown.status_code == 404


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_bad_name_starts_nothing(manager: Manager, name: object) -> None:
    for path in ("/avatar/start", "/avatar/disconnect"):
        for wish in ({"avatar_id": "x_user_1", "avatar_name": name}, {"avatar_id": name}):
            answer = await manager.client.post(path, json=wish)
            assert (answer.status_code, answer.json()["status"]) == (400, "error"), wish
    assert manager.instances() == []


async def test_wrong_requests_are_refused_in_the_manager_s_words(manager: Manager) -> None:
    wrong: list[tuple[str, str, bytes, int]] = [
        ("POST", "/avatar/start", b"", 400),
        ("POST", "/avatar/start", b"{", 400),
        ("POST", "/avatar/start", b"[]", 400),
        ("POST", "/avatar/start", b'{"avatar_name":"ada"}', 400),  # the instance id is required
        ("POST", "/avatar/start", b"x" * 100_000, 413),
        ("POST", "/avatar/disconnect", b"null", 400),
        ("POST", "/avatar/preview", b"", 422),
        ("POST", "/avatar/preview", b"\xff=\xff", 400),
        ("POST", "/avatar/delete", b"", 422),
        ("GET", "/avatar/start", b"", 405),
        ("POST", "/avatar/list", b"", 405),
        ("GET", "/avatar/info/nobody", b"", 404),
        ("GET", "/avatar/info/", b"", 404),
        ("POST", "/avatar/stop-all", b"", 404),
        ("GET", "/", b"", 404),
    ]
    for method, path, body, status in wrong:
        answer = await manager.client.request(method, path, content=body)
        assert (answer.status_code, answer.json()["status"]) == (status, "error"), (method, path, body)
        assert answer.json()["message"] == answer.json()["detail"]
    assert manager.instances() == []


@pytest.mark.parametrize("shown", [None, "", "x" * 32])
async def test_strangers_are_refused_everywhere(manager: Manager, shown: str | None) -> None:
    info = await manager.started("ada")
    del manager.client.headers[SECRET_HEADER]
    headers = {} if shown is None else {SECRET_HEADER: shown}
    paths = ("/health", "/status", "/avatar/list", "/avatar/info/ada", "/avatar/get_avatars", "/nothing")
    for path in (*paths, f"http://127.0.0.1:{info['port']}/health"):
        assert (await manager.client.get(path, headers=headers)).status_code == 403
    for path in ("start", "disconnect", "preview", "add", "delete"):
        answer = await manager.client.post(f"/avatar/{path}", json={"avatar_name": "ada"}, headers=headers)
        assert answer.status_code == 403
    assert manager.instances() == [info["pid"]]


async def test_an_instance_is_opened_by_its_own_secret_alone(manager: Manager) -> None:
    ada, bruno = await manager.started("ada"), await manager.started("bruno")
    for shown in (manager.client.headers, shown_to(ada)):
        for url in (f"{bruno['webrtc_url']}/health", "/health"):
            opened = shown is manager.client.headers and url == "/health"
            answer = await manager.client.get(url, headers=dict(shown))
            assert answer.status_code == (200 if opened else 403)


async def test_a_full_house_refuses_in_the_words_callers_look_for(tmp_path: Path) -> None:
    async with managing(tmp_path, limit=2) as manager:
        await manager.started("ada")
        await manager.started("bruno")

        full = await manager.start("mei")

        assert (full.status_code, full.json()["status"]) == (400, "error")
        assert "已达到最大限制" in full.json()["message"]
        assert int(full.headers["retry-after"]) > 0
        assert (await manager.started("ada", 2))["connections"] == 2
        await manager.disconnect("bruno")
        assert (await manager.started("mei"))["connections"] == 1
        assert set(await manager.listed()) == {"ada", "mei"}


async def test_an_unknown_avatar_is_refused(manager: Manager) -> None:
    answer = await manager.start("nobody")

    assert (answer.status_code, answer.json()["message"]) == (400, "Avatar 'nobody' does not exist")


async def test_the_usual_name_is_an_avatar_of_its_own_with_the_first_look(manager: Manager) -> None:
    usual, ada = await manager.started(USUAL_NAME), await manager.started("ada")

    assert usual["real_avatar_name"] == USUAL_NAME
    assert usual["pid"] != ada["pid"]
    health = await manager.client.get(f"{usual['webrtc_url']}/health", headers=shown_to(usual))
    assert health.json()["look"] == "ada"


async def test_many_starts_at_once_never_run_more_than_may_and_count_right(tmp_path: Path) -> None:
    names = ["ada", "bruno", "mei", USUAL_NAME]
    async with managing(tmp_path, limit=3) as manager:
        most, watching = 0, True

        async def watch() -> None:
            nonlocal most
            while watching:
                most = max(most, len(manager.instances()))
                await asyncio.sleep(0.005)

        watcher = asyncio.create_task(watch())
        answers = await asyncio.gather(*(manager.start(names[n % 4], n) for n in range(50)))

        took = [answer.json()["data"] for answer in answers if answer.status_code == 200]
        assert all("已达到最大限制" in answer.text for answer in answers if answer.status_code != 200)
        counts = Counter(info["real_avatar_name"] for info in took)
        listed = await manager.listed()
        assert len(listed) == 3
        assert {name: info["connections"] for name, info in listed.items()} == counts
        for name in listed:  # each was told a number of its own, and one of them that it came first
            told = sorted(info["connections"] for info in took if info["real_avatar_name"] == name)
            assert told == list(range(1, counts[name] + 1))
            assert len({info["pid"] for info in took if info["real_avatar_name"] == name}) == 1

        left = await asyncio.gather(*(manager.disconnect(info["real_avatar_name"]) for info in took))
        watching = False
        await watcher
        assert {answer.status_code for answer in left} == {200}
        assert (await manager.listed(), manager.instances(), most) == ({}, [], 3)


async def test_starts_and_disconnects_in_any_order_come_out_even(tmp_path: Path) -> None:
    async with managing(tmp_path, limit=2) as manager:

        async def come_and_go(user: int) -> None:
            name = ("ada", "bruno", "mei")[user % 3]
            if (await manager.start(name, user)).status_code == 200:
                assert len(manager.instances()) <= 2
                assert (await manager.disconnect(name)).status_code == 200

        for _ in range(3):
            await asyncio.gather(*(come_and_go(user) for user in range(12)))

        assert (await manager.listed(), manager.instances()) == ({}, [])


async def test_a_crashed_instance_is_replaced_at_once_and_its_viewers_still_count(manager: Manager) -> None:
    await manager.started("ada", 1)
    before = await manager.started("ada", 2)

    os.kill(before["pid"], signal.SIGKILL)

    began = time.monotonic()
    while (now := (await manager.listed())["ada"])["pid"] == before["pid"] or not now["running"]:
        assert time.monotonic() - began < 2
        await asyncio.sleep(0.02)
    assert now["start_time"] != before["start_time"]
    assert now["connections"] == 2
    health = await manager.client.get(f"{now['webrtc_url']}/health", headers=shown_to(now))
    assert health.status_code == 200
    with pytest.raises(httpx.ConnectError):
        await manager.client.get(f"{before['webrtc_url']}/health")


async def test_one_that_cannot_start_is_given_up_and_may_be_asked_for_again(manager: Manager) -> None:
    (manager.faults / "ada").write_text("dead")

    failed = await asyncio.gather(manager.start("ada", 1), manager.start("ada", 2), manager.start("bruno"))

    assert [answer.status_code for answer in failed] == [400, 400, 200]
    assert failed[0].json()["message"] == "Avatar 'ada' could not be started"
    assert set(await manager.listed()) == {"bruno"}
    (manager.faults / "ada").unlink()
    assert (await manager.started("ada"))["connections"] == 1


async def test_a_disconnect_while_it_starts_ends_it(manager: Manager) -> None:
    (manager.faults / "ada").write_text("slow")
    starting = asyncio.create_task(manager.start("ada"))
    await manager.until(lambda: len(manager.instances()) == 1)
    assert (await manager.listed())["ada"]["running"] is False

    assert (await manager.disconnect("ada")).status_code == 200

    assert (await starting).status_code == 400
    assert (await manager.listed(), manager.instances()) == ({}, [])


async def test_a_caller_who_gives_up_is_counted_all_the_same(manager: Manager) -> None:
    (manager.faults / "ada").write_text("slow")
    with pytest.raises(httpx.ReadTimeout):
        await manager.client.post("/avatar/start", json={"avatar_id": "ada_user_1"}, timeout=0.3)

    assert (await manager.started("ada", 2))["connections"] == 2


async def test_one_that_is_deaf_to_a_request_to_end_is_killed(manager: Manager) -> None:
    info = await manager.started("ada")
    with pytest.raises(httpx.ReadTimeout):
        await manager.tell(info, "/freeze")

    began = time.monotonic()
    assert (await manager.disconnect("ada")).status_code == 200

    assert time.monotonic() - began < 4  # callers wait 5 s
    assert manager.instances() == []


async def test_an_instance_that_lacks_its_data_is_refused_at_once_with_the_reason(manager: Manager) -> None:
    (manager.faults / "ada").write_text("unfit")
    began = time.monotonic()
    refused = await manager.start("ada")

    assert (refused.status_code, refused.json()["status"]) == (400, "error")
    assert "missing or damaged" in refused.json()["message"]
    assert time.monotonic() - began < 5
    assert (await manager.listed(), manager.instances()) == ({}, [])
    assert (await manager.started("bruno"))["connections"] == 1


async def test_one_is_kept_warm_and_taken_by_the_first_who_comes(tmp_path: Path) -> None:
    async with managing(tmp_path, warm_after=0.5) as manager:
        assert manager.instances() == []
        await manager.until(lambda: len(manager.instances()) == 1)
        (warm,) = manager.instances()
        assert await manager.listed() == {}
        assert (await manager.client.get("/status")).json()["data"]["manager"]["processes"] == 1

        assert (await manager.started(USUAL_NAME))["pid"] == warm
        await asyncio.sleep(0.5)
        assert manager.instances() == [warm]  # no other beside it
        await manager.disconnect(USUAL_NAME)
        assert manager.instances() == []
        await manager.until(lambda: len(manager.instances()) == 1, 6)


async def test_who_looks_at_the_catalogue_warms_one_up(manager: Manager) -> None:
    await manager.client.get("/avatar/get_avatars")

    await manager.until(lambda: len(manager.instances()) == 1)
    assert (await manager.started("bruno"))["connections"] == 1
    await manager.until(lambda: len(manager.instances()) == 1)  # the warm one was another look


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_nothing_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    async with managing(tmp_path) as manager:
        (manager.faults / "mei").write_text("frozen")
        deaf = await manager.started("ada")
        await manager.started("bruno")
        starting = asyncio.create_task(manager.start("mei"))
        with pytest.raises(httpx.ReadTimeout):
            await manager.tell(deaf, "/freeze")
        await manager.until(lambda: len(manager.instances()) == 3)
        family = children_of(manager.process.pid)

        os.kill(manager.process.pid, number)

        await manager.until(lambda: not any(map(is_alive, family)), 4)
        assert await manager.process.wait() == (-number if number == signal.SIGKILL else 0)
        with pytest.raises(httpx.TransportError):
            await starting


async def test_it_kills_nobody_else(manager: Manager) -> None:
    stranger = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "import time; time.sleep(60)  # avatar_stand_in --look ada"),
        start_new_session=True,
    )
    try:
        for _ in range(3):
            os.kill((await manager.started("ada"))["pid"], signal.SIGKILL)
            await manager.started("ada")
            await manager.disconnect("ada")
            await manager.disconnect("ada")
        assert stranger.returncode is None
        assert is_alive(stranger.pid)
    finally:
        stranger.kill()
        await stranger.wait()


async def test_it_is_small_and_loads_nothing_heavy(manager: Manager) -> None:
    await manager.started("ada")
    await manager.client.post("/avatar/preview", data={"avatar_name": "ada"})

    process = Path("/proc") / str(manager.process.pid)
    loaded = (process / "maps").read_text()
    assert not re.search("numpy|onnxruntime|/av/|aiortc|PIL|uvloop|granian", loaded)
    resident = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
    assert resident
    assert int(resident[1]) < 40_000


@pytest.mark.parametrize("secret", ["", "short"])
async def test_without_a_secret_it_does_not_start(secret: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "entrypoints.children.avatar_manager", "--port", str(free_port())),
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), SECRET: secret},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()

    assert process.returncode == 2
    assert SECRET.encode() in said
