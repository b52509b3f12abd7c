"""One measurement: so many streams through one target."""

import json
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

from machine import Cores, CoreTime, CpuTime, Peak, Urgency, resident
from processes import HERE, WORK, Target, start, stop

FAKEUP_PORT = 18011
WARM_UP = 10  # streams
WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How every cell is measured."""

    chunks: int
    every_ms: int
    first_ms: int
    ramp_ms: int  # for each stream: they do not all ask at once
    grace_s: int
    server_cores: Cores
    load_cores: Cores
    server: Urgency
    upstream: Urgency
    load: Urgency

    def seconds(self, conns: int) -> float:
        return (self.ramp_ms * conns + self.every_ms * self.chunks + self.first_ms) / 1000


@dataclass(frozen=True, slots=True)
class Cell:
    """What one measurement found. Times of the load are microseconds, all others seconds."""

    target: str
    conns: int
    load: dict[str, Any]
    wall: float
    server_cpu: float
    load_cpu: float
    foreign: float  # CPU time that others used meanwhile
    stolen: float  # share of time that the hypervisor gave to others
    memory: int
    memory_per_stream: float

    @property
    def cpu_per_chunk_us(self) -> float | None:
        return 1e6 * self.server_cpu / self.load["chunks"] if self.load["chunks"] else None

    @property
    def bad(self) -> int:
        return int(self.load["failed"] + self.load["short"])


class Upstream:
    """The faked services behind every target, in one cheap process."""

    def __init__(self, plan: Plan) -> None:
        self._process = start(
            [str(WORK / "fakeup"), "--lifetime", "14400"],
            plan.load_cores,
            plan.upstream,
            log=WORK / "fakeup.log",
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def forget(self) -> None:
        with WITHOUT_PROXY.open(f"http://127.0.0.1:{FAKEUP_PORT}/__reset", data=b"", timeout=10):
            pass

    def end(self) -> None:
        stop(self._process)


def load(
    plan: Plan, target: Target, conns: int, *, chunks: int, first_ms: int, ramp_ms: int
) -> dict[str, Any]:
    """Opens the streams and reads them to their end."""
    timeout = int((ramp_ms + plan.every_ms * chunks + first_ms) / 1000) + plan.grace_s
    shape = f"[[n={chunks};ms={plan.every_ms};ttft={first_ms}]]"
    options = {
        "--port": target.port,
        "--template": HERE / "templates" / target.template,
        "--set": f"load={shape}",
        "--conns": conns,
        "--ramp": ramp_ms,
        "--timeout": timeout,
        **({"--tokens": target.token_file()} if target.tokens else {}),
    }
    argv = [str(WORK / "sseload"), *(str(word) for option in options.items() for word in option)]
    process = start(argv, plan.load_cores, plan.load)
    try:
        out, _ = process.communicate(timeout=timeout + 20)
    except subprocess.TimeoutExpired:
        stop(process)
        raise
    found: dict[str, Any] = json.loads(out.decode().strip().splitlines()[-1])
    return found


def measured(plan: Plan, upstream: Upstream, target: Target, conns: int) -> Cell:
    target.up(conns, plan.server_cores, plan.server)
    try:
        load(plan, target, min(WARM_UP, conns), chunks=5, first_ms=5, ramp_ms=0)  # imports, pools, caches
        return _measured(plan, upstream, target, conns)
    finally:
        target.down()


def _measured(plan: Plan, upstream: Upstream, target: Target, conns: int) -> Cell:
    roots, generators = target.roots, [upstream.pid]
    idle = resident(roots)
    upstream.forget()
    peak = Peak(roots)
    server, fake, cores, began = CpuTime.of(roots), CpuTime.of(generators), CoreTime.now(), time.monotonic()
    peak.start()
    ramp_ms = plan.ramp_ms * conns if conns > 1 else 0
    found = load(plan, target, conns, chunks=plan.chunks, first_ms=plan.first_ms, ramp_ms=ramp_ms)
    wall, cores_after = time.monotonic() - began, CoreTime.now()
    server_cpu = server.until(CpuTime.of(roots))
    load_cpu = fake.until(CpuTime.of(generators)) + found["cpu_s"]
    memory = peak.end()
    server_stolen = cores.stolen_share(cores_after, plan.server_cores)
    load_stolen = cores.stolen_share(cores_after, plan.load_cores)
    server_cpu *= 1 - server_stolen
    load_cpu *= 1 - load_stolen
    return Cell(
        target=target.name,
        conns=conns,
        load=found,
        wall=wall,
        server_cpu=server_cpu,
        load_cpu=load_cpu,
        foreign=max(0.0, cores.busy_until(cores_after) - server_cpu - load_cpu),
        stolen=max(server_stolen if roots else 0.0, load_stolen),
        memory=memory,
        memory_per_stream=max(0, memory - idle) / conns,
    )
