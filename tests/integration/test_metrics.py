"""/metrics of a server with several workers, as monitoring asks for it."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.free_port import free_port
from tests.integration.served import NO_AVATARS, Served, children_of, served
from tests.integration.waiting import until
from tests.servers.llm_service import LlmServiceServer

SECRETS = ("ann", "example.org", "photosynthesis", "eyJ", "127.0.0.1", "/work", "http://")


@pytest.fixture
async def llm() -> AsyncIterator[LlmServiceServer]:
    async with LlmServiceServer() as server:
        yield server


class Monitoring:
    """Asks a port of this machine for metrics."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def page(self) -> str:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            answer = await client.get(f"http://127.0.0.1:{self.port}/metrics")
            return answer.raise_for_status().text

    async def sum(self, name: str, **labels: str) -> float:
        """Over all samples of that name with these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(await self.page())
            for sample in family.samples
            if sample.name == f"virtual_tutor_{name}" and labels.items() <= sample.labels.items()
        )

    async def reaches(self, value: float, name: str, **labels: str) -> None:
        async def there() -> bool:
            return await self.sum(name, **labels) == value

        await until(there, 10)


async def healthy(one: Served, times: int) -> None:
    """Over a connection each, so that every worker gets its share."""
    for _ in range(times):
        async with httpx.AsyncClient(base_url=one.house.url, trust_env=False) as client:
            (await client.get("/api/health")).raise_for_status()


def workers_of(one: Served) -> list[int]:
    """The web server's main process has them for children; nobody else has two."""
    return max((sorted(children_of(child)) for child in children_of(one.pid)), key=len)


async def lose_a_worker(one: Served) -> None:
    """Returns when another has taken its place."""
    before = workers_of(one)
    os.kill(before[0], signal.SIGKILL)

    async def replaced() -> bool:
        now = workers_of(one)
        return len(now) == len(before) and before[0] not in now

    await until(replaced, 10)


async def test_all_workers_count_together_whoever_dies(tmp_path: Path, llm: LlmServiceServer) -> None:
    port = free_port()
    async with served(tmp_path, LLM_URL=llm.url, WORKERS="2", METRICS_PORT=str(port), **NO_AVATARS) as one:
        monitoring, route = Monitoring(port), {"method": "GET", "route": "/api/health"}
        await healthy(one, 40)
        await monitoring.reaches(40, "http_requests_total", status="2xx", **route)
        assert len(list((tmp_path / "data" / "run" / "metrics").glob("*.json"))) == 2

        for rounds in (1, 2):
            await lose_a_worker(one)
            await healthy(one, 20)
            await monitoring.reaches(40 + rounds * 20, "http_requests_total", status="2xx", **route)
        assert listening_addresses(port) == {"127.0.0.1"}


async def test_a_reply_is_seen_and_nothing_personal(tmp_path: Path, llm: LlmServiceServer) -> None:
    port = free_port()
    async with served(tmp_path, LLM_URL=llm.url, METRICS_PORT=str(port), **NO_AVATARS) as one:
        monitoring = Monitoring(port)
        ann = await one.house.user("ann@example.org")
        told = await ann.ask("What is photosynthesis?")
        await ann.messages(told.session)
        await one.house.client.get(f"/api/of/ann@example.org/{told.session}")

        await monitoring.reaches(1, "replies_total", outcome="complete")
        assert await monitoring.sum("replies_active") == 0
        assert await monitoring.sum("readers_active") == 0
        assert await monitoring.sum("reply_first_token_seconds_count", part="upstream") == 1
        assert await monitoring.sum("mails_total", outcome="delivered") == 1
        await monitoring.reaches(1, "http_requests_total", route="", status="4xx")
        page = await monitoring.page()
        assert not [secret for secret in SECRETS if secret in page]


async def test_counts_begin_anew_with_a_start(tmp_path: Path, llm: LlmServiceServer) -> None:
    for _ in range(2):
        port = free_port()
        async with served(tmp_path, LLM_URL=llm.url, METRICS_PORT=str(port), **NO_AVATARS) as one:
            await healthy(one, 5)
            await Monitoring(port).reaches(5, "http_requests_total", route="/api/health")


async def test_a_taken_port_costs_a_warning_only(tmp_path: Path, llm: LlmServiceServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with served(tmp_path, LLM_URL=llm.url, METRICS_PORT=str(port), **NO_AVATARS) as one:
            assert (await one.house.client.get("/api/health/ready")).status_code == 200
            assert one.output.read_text().count(f"METRICS_PORT {port} is taken") == 1


async def test_zero_switches_it_off(tmp_path: Path, llm: LlmServiceServer) -> None:
    async with served(tmp_path, LLM_URL=llm.url, METRICS_PORT="0", **NO_AVATARS) as one:
        await healthy(one, 1)
        listening = {part for pid in one.family() for part in await asyncio.to_thread(ports_of, pid)}
        assert listening == {int(one.house.url.rpartition(":")[2])}
        assert not (tmp_path / "data" / "run" / "metrics").exists()


def listening() -> list[tuple[str, int, str]]:
    """Address, port and inode of every listening TCP socket."""
    found = []
    for table in ("tcp", "tcp6"):
        for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
            local, state, inode = line.split()[1], line.split()[3], line.split()[9]
            if state == "0A":
                address, port = local.split(":")
                octets = bytes.fromhex(address)[::-1]
                found.append((".".join(map(str, octets)), int(port, 16), inode))
    return found


def listening_addresses(port: int) -> set[str]:
    return {address for address, used, _ in listening() if used == port}


def ports_of(pid: int) -> set[int]:
    """The TCP ports on which a process listens."""
    held = set()
    for descriptor in (Path("/proc") / str(pid) / "fd").iterdir():
        try:
            held.add(str(descriptor.readlink()))
        except OSError:
            continue
    return {port for _, port, inode in listening() if f"socket:[{inode}]" in held}
