"""What the kernel tells of processes and cores, and how work is bound to them. Linux only."""

import ctypes
import os
import struct
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
LIBC = ctypes.CDLL(None)
SCHED_SETATTR = 314  # x86-64

Cores = frozenset[int]


@dataclass(frozen=True, slots=True)
class Urgency:
    """A nice value, or a real-time priority. Needs root; without it everything runs as it does."""

    nice: int = 0
    realtime: int = 0


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on; None when the process is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return None


def threads(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    return []


def tree(roots: Sequence[int]) -> list[int]:
    """These processes and all their descendants."""
    found, left = [], [pid for pid in roots if _stat(pid)]
    while left:
        pid = left.pop()
        if pid not in found:
            found.append(pid)
            for thread in threads(pid):
                with suppress(OSError):
                    left += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


def resident(roots: Sequence[int]) -> int:
    """Bytes of memory."""
    total = 0
    for pid in tree(roots):
        with suppress(OSError, IndexError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return total


class Peak(threading.Thread):
    """The most memory a tree takes, looked at five times a second."""

    def __init__(self, roots: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self.roots, self.bytes, self._over = roots, resident(roots), threading.Event()

    @override
    def run(self) -> None:
        while not self._over.wait(0.2):
            self.bytes = max(self.bytes, resident(self.roots))

    def end(self) -> int:
        self._over.set()
        self.join()
        return self.bytes


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Of a tree until now, twice: by thread (exact, but a thread's share is lost when it ends) and by process
    (in steps of 10 ms, those that ended included)."""

    threads: dict[int, float]
    processes: dict[int, float]

    @classmethod
    def of(cls, roots: Sequence[int]) -> "CpuTime":
        fine: dict[int, float] = {}
        coarse: dict[int, float] = {}
        for pid in tree(roots):
            if fields := _stat(pid):
                coarse[pid] = sum(map(int, fields[11 : 15 if pid in roots else 13])) / TICK
            for thread in threads(pid):
                with suppress(OSError, IndexError):
                    ran = Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0]
                    fine[thread] = int(ran) / 1e9
        return cls(fine, coarse)

    def until(self, later: "CpuTime") -> float:
        fine = sum(v - self.threads.get(k, 0) for k, v in later.threads.items())
        coarse = sum(v - self.processes.get(k, 0) for k, v in later.processes.items())
        return coarse if coarse > fine * 1.05 + 0.05 * len(later.processes) else fine


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Seconds since boot that each core was busy, and that the hypervisor gave to others meanwhile."""

    busy: dict[int, float]
    stolen: dict[int, float]

    @classmethod
    def now(cls) -> "CoreTime":
        busy, stolen = {}, {}
        for line in Path("/proc/stat").read_text().splitlines():
            name, *counts = line.split()
            if name.startswith("cpu") and name != "cpu":
                spent = [int(count) / TICK for count in counts]
                core = int(name[3:])
                busy[core] = sum(spent[:3]) + spent[5] + spent[6]
                stolen[core] = spent[7]
        return cls(busy, stolen)

    def busy_until(self, later: "CoreTime") -> float:
        return sum(later.busy[core] - self.busy[core] for core in later.busy)

    def stolen_share(self, later: "CoreTime", cores: Collection[int]) -> float:
        """Of the time these cores wanted to run. A guest's CPU times include it."""
        busy = sum(later.busy[core] - self.busy[core] for core in cores)
        stolen = sum(later.stolen[core] - self.stolen[core] for core in cores)
        return stolen / (busy + stolen) if busy + stolen > 0.05 else 0.0


def bind(thread: int, cores: Cores, urgency: Urgency) -> None:
    """The thread (0: the caller) runs on these cores only, that urgently."""
    with suppress(OSError):
        os.sched_setaffinity(thread, cores)
    with suppress(OSError):
        if urgency.realtime:
            os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(urgency.realtime))
        elif urgency.nice:
            os.setpriority(os.PRIO_PROCESS, thread, urgency.nice)
            _short_slice(thread, urgency.nice)
            # where the kernel groups by session, nice counts within a session only
            Path(f"/proc/{thread or os.getpid()}/autogroup").write_text(str(urgency.nice))


def _short_slice(thread: int, nice: int) -> None:
    """A waking server interrupts what else runs on its core, so that others' work hardly shows in its
    latency (Linux 6.12)."""
    attributes = struct.pack("IIQiIQQQ", 48, os.SCHED_OTHER, 0, nice, 0, 100_000, 0, 0)
    LIBC.syscall(SCHED_SETATTR, ctypes.c_int(thread), attributes, ctypes.c_uint(0))
