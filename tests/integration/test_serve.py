"""`virtual-tutor serve` with real processes: what it starts, keeps alive, and takes with it."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from entrypoints.runtime import Runtime, read_runtime
from tests.free_port import free_port
from tests.integration.served import NO_AVATARS, Served, children_of, is_alive, served
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script

GONE_S = 5.0


@pytest.fixture
async def slow_llm() -> AsyncIterator[LlmServiceServer]:
    async with LlmServiceServer(Script(pieces=[f"word{n} " for n in range(2000)], gap=0.05)) as server:
        yield server


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


async def left_of(family: set[int]) -> set[int]:
    """Who is still there after the time in which all must be gone."""

    async def gone() -> bool:
        return not any(map(is_alive, family))

    await until(gone, GONE_S)
    return {pid for pid in family if is_alive(pid)}


def command_of(pid: int) -> str:
    return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()


def part(one: Served, word: str) -> int:
    """The oldest process of the family whose command has the word in it."""
    return min(
        pid for pid in children_of(one.pid) if word in command_of(pid) and "tether" not in command_of(pid)
    )


def runtime_of(one: Served) -> Runtime:
    runtime = read_runtime(one.house.settings.data_dir)
    assert runtime is not None
    return runtime


async def announced(one: Served) -> str:
    async def is_told() -> bool:
        return "pid " in one.output.read_text()

    assert await until(is_told)
    return one.output.read_text()


async def test_it_says_where_it_is_what_answers_and_where_the_codes_are(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        said = await announced(one)
        runtime = runtime_of(one)
        sockets = Path(str(runtime.redis_url).removeprefix("unix://")).parent
        assert re.search(rf"open +{one.house.url}\n", said)
        assert re.search(r"answers +SmolLM2-135M.*for trying the system, not for teaching", said)
        assert re.search(rf"mailbox +{one.house.url}/dev/mailbox", said)
        assert re.search(rf"pid +{one.pid} ", said)
        assert sockets.is_dir()

        one.process.send_signal(signal.SIGTERM)

        assert await asyncio.to_thread(one.process.wait, 10) == 0
        assert read_runtime(one.house.settings.data_dir) is None
        assert not sockets.exists()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left_behind(
    tmp_path: Path, slow_llm: LlmServiceServer, number: signal.Signals, workers: str
) -> None:
    async with served(tmp_path, LLM_URL=slow_llm.url, WORKERS=workers, DRAIN_SECONDS="3") as one:
        ann = await one.house.user()
        family = one.family()
        async with one.house.client.stream(
            "POST", "/api/chat/stream", headers=ann.headers, data={"message": "Tell me everything."}
        ) as answer:
            lines = answer.aiter_lines()
            await anext(lines)  # an answer is being given

            os.kill(one.pid, number)

            assert await left_of(family | one.family()) == set()
        assert one.process.wait() == (-signal.SIGKILL if number == signal.SIGKILL else 0)


async def test_nothing_is_left_of_the_embedded_model_either(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        await announced(one)
        family = one.family()
        assert any("model_server" in command_of(pid) for pid in family)

        os.kill(one.pid, signal.SIGKILL)

        assert await left_of(family) == set()


async def test_killed_parts_come_back_where_they_were(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        await announced(one)
        ann = await one.house.user()
        await asyncio.sleep(1.2)  # the embedded Redis writes once a second
        before, model, redis = runtime_of(one), part(one, "model_server"), part(one, "valkey-server")

        os.kill(model, signal.SIGKILL)
        os.kill(redis, signal.SIGKILL)

        async def is_logged_in() -> bool:
            return (await ann.get("/api/chat/history")).status_code == 200

        async def model_answers() -> bool:
            detailed = await one.house.client.get("/api/health/detailed")
            return detailed.status_code == 200 and detailed.json()["status"] == "healthy"

        assert await until(is_logged_in)
        assert await until(model_answers)
        assert part(one, "model_server") != model
        assert part(one, "valkey-server") != redis
        assert runtime_of(one) == before
        assert "The model server ended with -9; starting it again" in one.output.read_text()


async def test_a_killed_worker_comes_back(tmp_path: Path, slow_llm: LlmServiceServer) -> None:
    async with served(tmp_path, LLM_URL=slow_llm.url, WORKERS="2", **NO_AVATARS) as one:
        web = part(one, "entrypoints.server")

        async def are_two() -> bool:
            return len(children_of(web)) >= 2

        assert await until(are_two)  # one of them may answer before the other is there
        workers = children_of(web)

        os.kill(min(workers), signal.SIGKILL)

        async def is_back() -> bool:
            return len(children_of(web)) >= len(workers) and min(workers) not in children_of(web)

        async def answers() -> bool:
            with suppress(httpx.TransportError):  # the line led to the one that was killed
                return (await one.house.client.get("/api/health/ready")).status_code == 200
            return False

        assert await until(is_back)
        assert await until(answers)
        assert one.process.poll() is None


async def test_without_the_web_server_everything_ends(tmp_path: Path, slow_llm: LlmServiceServer) -> None:
    async with served(tmp_path, LLM_URL=slow_llm.url) as one:
        family = one.family()

        os.kill(part(one, "entrypoints.server"), signal.SIGKILL)

        assert await asyncio.to_thread(one.process.wait, 10) == 1
        assert await left_of(family) == set()
        assert "The web server ended unexpectedly" in one.output.read_text()


async def test_a_second_start_on_the_same_data_says_so(tmp_path: Path, slow_llm: LlmServiceServer) -> None:
    async with served(tmp_path, LLM_URL=slow_llm.url, **NO_AVATARS) as one:
        second = await asyncio.to_thread(serve, one, PORT="1")

        assert second.returncode == 1
        assert f"Another server uses {tmp_path / 'data'} (pid {one.pid}, {one.house.url})" in second.stderr


async def test_a_taken_port_is_said_at_once(tmp_path: Path, slow_llm: LlmServiceServer) -> None:
    async with served(tmp_path, LLM_URL=slow_llm.url, **NO_AVATARS) as one:
        port = one.house.url.rpartition(":")[2]
        other = await asyncio.to_thread(serve, one, PORT=port, DATA_DIR=str(tmp_path / "other"))

        assert other.returncode == 1
        assert f"Port {port} on 127.0.0.1 cannot be used" in other.stderr


def test_a_database_that_cannot_be_prepared_ends_the_start(tmp_path: Path) -> None:
    failed = subprocess.run(
        [sys.executable, "-m", "entrypoints.cli", "serve"],
        env={
            "PATH": "/usr/bin:/bin",
            "ENV_FILE": os.devnull,
            "DATA_DIR": str(tmp_path / "data"),
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "LLM_URL": "http://127.0.0.1:1",
            "PORT": str(free_port()),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert failed.returncode == 1
    assert "The database cannot be prepared" in failed.stderr


def serve(one: Served, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Another `serve` beside the running one, to its end."""
    own = {"PATH": "/usr/bin:/bin", "ENV_FILE": os.devnull, "DATA_DIR": str(one.house.settings.data_dir)}
    return subprocess.run(
        [sys.executable, "-m", "entrypoints.cli", "serve"],
        env={**own, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
