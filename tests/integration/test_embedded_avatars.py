"""`virtual-tutor serve` with its own Avatar Manager and a real talking head."""

import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from adapters.loopback import SECRET_HEADER
from entrypoints.runtime import read_runtime
from tests.integration.served import Served, children_of, is_alive, served
from tests.integration.test_avatar_manager import command_of
from tests.integration.test_serve import until

MODEL_ELSEWHERE = {"LLM_URL": "http://127.0.0.1:9"}  # the bundled one would only take its time


@asynccontextmanager
async def manager_of(one: Served) -> AsyncIterator[httpx.AsyncClient]:
    runtime = read_runtime(one.house.settings.data_dir)
    assert runtime is not None
    assert runtime.avatars_url is not None
    headers = {SECRET_HEADER: runtime.avatars_secret or ""}
    async with httpx.AsyncClient(
        base_url=runtime.avatars_url, headers=headers, timeout=60, trust_env=False
    ) as client:
        yield client


async def start_ada(manager: httpx.AsyncClient) -> int:
    answer = await manager.post("/avatar/start", json={"avatar_id": "ada_user_1", "avatar_name": "ada"})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["data"]["pid"])


def part(one: Served, module: str) -> int:
    return min(pid for pid in children_of(one.pid) if module in command_of(pid))


async def until_gone(pids: set[int], within: float = 8.0) -> set[int]:
    """Who is still there after that time."""

    async def gone() -> bool:
        return not any(map(is_alive, pids))

    await until(gone, within)
    return {pid for pid in pids if is_alive(pid)}


async def test_it_serves_avatars_to_whoever_knows_the_secret_of_this_launch(tmp_path: Path) -> None:
    async with served(tmp_path, **MODEL_ELSEWHERE, EMBEDDED_AVATAR_LIMIT="3") as one:
        async with manager_of(one) as manager:
            health = await manager.get("/health")
            assert (health.status_code, health.json()["max_instances"]) == (200, 3)
            pid = await start_ada(manager)
            secret = manager.headers.pop(SECRET_HEADER)
            assert (await manager.get("/health")).status_code == 403
        assert re.search(r"avatar_instance --look ada --fd \d+ $", command_of(pid))
        assert not [pid for pid in children_of(one.pid) if secret in command_of(pid)]
        web = Path("/proc") / str(part(one, "entrypoints.server")) / "environ"
        assert secret.encode() not in web.read_bytes()
        assert secret not in one.output.read_text()
        assert "avatars  ada, bruno, mei: drawn on this machine, at most 3 at once" in one.output.read_text()


async def test_an_avatar_manager_elsewhere_is_not_started_here(tmp_path: Path) -> None:
    async with served(tmp_path, **MODEL_ELSEWHERE, AVATAR_MANAGER_URL="http://127.0.0.1:9") as one:
        runtime = read_runtime(one.house.settings.data_dir)
        assert runtime is not None
        assert (runtime.avatars_url, runtime.avatars_secret) == (None, None)
        assert not [pid for pid in children_of(one.pid) if "avatar" in command_of(pid)]


async def test_a_killed_manager_takes_its_instances_along_and_comes_back_where_it_was(tmp_path: Path) -> None:
    async with served(tmp_path, **MODEL_ELSEWHERE) as one, manager_of(one) as manager:
        instance, killed = await start_ada(manager), part(one, "children.avatar_manager")

        os.kill(killed, signal.SIGKILL)

        assert await until_gone({killed, instance}) == set()
        assert (await manager.get("/health")).status_code == 200  # who asks meanwhile waits
        assert (await manager.get("/avatar/list")).json()["data"] == []
        assert await start_ada(manager) != instance
        assert "The Avatar Manager ended with -9; starting it again" in one.output.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left_of_the_avatars(tmp_path: Path, number: signal.Signals) -> None:
    async with served(tmp_path, **MODEL_ELSEWHERE) as one:
        async with manager_of(one) as manager:
            instance = await start_ada(manager)
        family = one.family()
        assert instance in family

        os.kill(one.pid, number)

        assert await until_gone(family) == set()
