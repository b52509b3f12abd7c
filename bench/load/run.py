"""Streams through our product and through the barest relays there are, in turns, on one core.

    .venv/bin/python bench/load/run.py            writes bench/RESULTS.md, about a quarter of an hour
    .venv/bin/python bench/load/run.py --conns 50 --repeats 1 --only asgi-socket,virtual-tutor --md -

See README.md. Nothing but 127.0.0.1 is contacted, every step has a time limit, and only processes started
here are ended.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tomllib
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from cells import FAKEUP_PORT, Cell, Plan, Upstream, measured
from machine import Urgency
from processes import HERE, Target, Unusable, build, listens
from report import num, report

RESULTS = HERE.parent / "RESULTS.md"


def log(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def targets(file: Path, only: str | None) -> list[Target]:
    direct = Target("direct", f"http://127.0.0.1:{FAKEUP_PORT}")
    known = [direct, *(Target(**spec) for spec in tomllib.loads(file.read_text())["target"])]
    if only:
        known = [target for target in known if target.name in {"direct", *only.split(",")}]
    usable = []
    for target in known:
        if lack := target.missing():
            log(f"{target.name} is left out: {lack}")
        else:
            usable.append(target)
    return usable


def tell(cell: Cell, repeat: int) -> None:
    p50, p99 = (num(cell.load["relay_us"][percentile] / 1e3) for percentile in ("p50", "p99"))
    log(
        f"C={cell.conns} #{repeat} {cell.target}: p50 {p50} p99 {p99} ms, "
        f"{num(cell.cpu_per_chunk_us)} µs/chunk, ok {cell.load['ok']} bad {cell.bad}, "
        f"server {num(cell.server_cpu)} s, "
        f"foreign {100 * cell.foreign / cell.wall:.0f} %, steal {100 * cell.stolen:.0f} % "
        f"{cell.load.get('first_bad', '')}"
    )


def settled(options: argparse.Namespace, plan: Plan, upstream: Upstream, target: Target, conns: int) -> Cell:
    """A measurement of which the hypervisor took not too much, if there is one."""
    cell = measured(plan, upstream, target, conns)
    for _ in range(options.retries):
        if 100 * cell.stolen <= options.max_steal:
            break
        log(f"{target.name}: {100 * cell.stolen:.0f} % of it was stolen, again")
        cell = measured(plan, upstream, target, conns)
    return cell


def run(options: argparse.Namespace, plan: Plan) -> list[Cell]:
    cells: list[Cell] = []
    build()
    if listens(FAKEUP_PORT):
        raise Unusable(f"something else listens on {FAKEUP_PORT}")
    all_targets = targets(options.targets, options.only)
    upstream = Upstream(plan)
    try:
        if not listens(FAKEUP_PORT, 5):
            raise Unusable("the faked services do not start")
        for conns in options.conns:
            for repeat in range(1, options.repeats + 1):
                for target in all_targets:
                    if conns <= target.most:
                        cells.append(settled(options, plan, upstream, target, conns))
                        tell(cells[-1], repeat)
    finally:
        upstream.end()
    return cells


def how(o: argparse.Namespace) -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return " ".join(
        (
            f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with `bench/load/run.py`: {cpu},",
            f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}.",
            f"Servers on core {o.server_core} with everything they start, generators on core {o.load_core}.",
            f"{o.chunks} chunks per stream, one every {o.ms} ms, the first after {o.first_ms} ms (taken off",
            f"`first`), a new stream every {o.ramp_each} ms; medians of {o.repeats} interleaved repeats.",
            "Times in ms, CPU in % of one core; asking is part of the CPU per chunk; `bad` streams failed or",
            "lack chunks; `foreign` is what other processes used of all cores. Compare rows of one run only.",
        )
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--targets", type=Path, default=HERE / "targets.toml")
    parser.add_argument("--only", help="names of targets, separated by commas")
    parser.add_argument("--conns", default="50,200,500", help="numbers of streams")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chunks", type=int, default=500)
    parser.add_argument("--ms", type=int, default=20, help="between chunks")
    parser.add_argument("--first-ms", type=int, default=20, help="before the first")
    parser.add_argument("--ramp-each", type=int, default=20, help="ms between the openings of two streams")
    parser.add_argument("--grace", type=int, default=20, help="seconds a cell may take beyond the ideal")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument(
        "--gentle", action="store_true", help="no priority over others, while they need the machine"
    )
    parser.add_argument(
        "--max-steal", type=float, default=15, help="%% stolen above which a cell is repeated"
    )
    parser.add_argument("--retries", type=int, default=1, help="how often, at most")
    parser.add_argument("--json", type=Path, help="write every cell here")
    parser.add_argument("--md", default=str(RESULTS), help="where the tables go; - is here")
    options = parser.parse_args()
    options.conns = [min(10_000, max(1, int(number))) for number in options.conns.split(",")]
    return options


def main() -> int:
    options = parse()
    calm = Urgency()
    plan = Plan(
        chunks=options.chunks,
        every_ms=options.ms,
        first_ms=options.first_ms,
        ramp_ms=options.ramp_each,
        grace_s=options.grace,
        server_cores=frozenset({options.server_core}),
        load_cores=frozenset({options.load_core}),
        server=calm if options.gentle else Urgency(nice=-10),
        upstream=calm if options.gentle else Urgency(realtime=20),
        load=calm if options.gentle else Urgency(realtime=10),
    )
    os.sched_setaffinity(0, plan.load_cores)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    try:
        cells = run(options, plan)
    except Unusable as error:
        log(error)
        return 1
    if options.json:
        options.json.write_text(json.dumps([asdict(cell) for cell in cells]))
    text = report(cells, options.first_ms, how(options))
    if options.md == "-":
        print(text)
    else:
        Path(options.md).write_text(text)
        log(f"written to {options.md}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
