"""Our product under load, for those who look at it more closely than run.py does."""

import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cells import FAKEUP_PORT, Plan, Upstream
from machine import Urgency, tree
from processes import HERE, Target, Unusable, build, listens

NAME = "virtual-tutor"
CALM = Urgency()


def plan(*, chunks: int = 500, every_ms: int = 20, ramp_ms: int = 20, gentle: bool = False) -> Plan:
    """Servers on the first core, generators on the second."""
    return Plan(
        chunks=chunks,
        every_ms=every_ms,
        first_ms=20,
        ramp_ms=ramp_ms,
        grace_s=30,
        server_cores=frozenset({0}),
        load_cores=frozenset({1}),
        server=CALM if gentle else Urgency(nice=-10),
        upstream=CALM if gentle else Urgency(realtime=20),
        load=CALM if gentle else Urgency(realtime=10),
    )


@contextmanager
def running(plan: Plan, students: int) -> Iterator[Target]:
    """The product, with so many students, each with a token. Raises Unusable."""
    build()
    if listens(FAKEUP_PORT):
        raise Unusable(f"something else listens on {FAKEUP_PORT}")
    specs = tomllib.loads((HERE / "targets.toml").read_text())["target"]
    target = Target(**next(spec for spec in specs if spec["name"] == NAME))
    upstream = Upstream(plan)
    try:
        target.up(students, plan.server_cores, plan.server)
        yield target
    finally:
        target.down()
        upstream.end()


def tokens(target: Target) -> Sequence[str]:
    return Path(target.token_file() or "").read_text().split()


def worker(target: Target) -> int:
    """The process that answers: the youngest of the web server's."""
    servers = [pid for pid in tree(target.roots) if b"entrypoints.server" in _command(pid)]
    return max(servers)


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
