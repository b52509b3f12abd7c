"""The tables of RESULTS.md."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cells import Cell

US, MIB, KIB = 1e3, 2**20, 2**10
NGINX, RAW, FLASK, OURS = "nginx", "asgi-socket", "flask-gevent", "virtual-tutor"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one target with so many streams: medians over the repeats. Times are ms."""

    p50: float | None
    p99: float | None
    best_p99: float | None  # of the least disturbed repeat
    first_p50: float | None
    first_p99: float | None
    bad: float
    rate: float
    core: float  # % of one
    cpu_us: float | None  # for each chunk
    memory: float
    per_stream: float
    generators: float
    foreign: float
    stolen: float


def figures(cells: Sequence[Cell], first_ms: int) -> Figures:
    told = [cell for cell in cells if cell.load["chunks"]]

    def lag(percentile: str) -> Iterable[float]:
        return (cell.load["relay_us"][percentile] / US for cell in told)

    def first(percentile: str) -> Iterable[float]:
        return (max(0.0, cell.load["ttfc_us"][percentile] / US - first_ms) for cell in told)

    return Figures(
        p50=median(lag("p50")),
        p99=median(lag("p99")),
        best_p99=min(lag("p99"), default=None),
        first_p50=median(first("p50")),
        first_p99=median(first("p99")),
        bad=median(cell.bad for cell in cells) or 0,
        rate=median(cell.load["chunks_per_s"] for cell in cells) or 0,
        core=median(100 * cell.server_cpu / cell.wall for cell in cells) or 0,
        cpu_us=median(us for cell in cells if (us := cell.cpu_per_chunk_us) is not None),
        memory=median(cell.memory for cell in cells) or 0,
        per_stream=median(cell.memory_per_stream for cell in cells) or 0,
        generators=median(100 * cell.load_cpu / cell.wall for cell in cells) or 0,
        foreign=median(100 * cell.foreign / cell.wall for cell in cells) or 0,
        stolen=median(100 * cell.stolen for cell in cells) or 0,
    )


def median(values: Iterable[float]) -> float | None:
    found = list(values)
    return statistics.median(found) if found else None


def num(value: float | None, places: int | None = None) -> str:
    if value is None:
        return "-"
    if places is None:
        places = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{places}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


Found = Mapping[tuple[str, int], Figures]


def measured_table(found: Found) -> str:
    head = ["target", "C", "relay p50", "p99", "best p99", "first p50", "p99", "bad", "chunks/s"]
    head += ["server %", "µs CPU/chunk", "RSS MiB", "KiB/stream", "gen %", "foreign %", "steal %"]
    rows = []
    for (target, conns), f in found.items():
        relay = [num(f.p50), num(f.p99), num(f.best_p99), num(f.first_p50), num(f.first_p99)]
        server = [num(f.core, 0), num(f.cpu_us), num(f.memory / MIB, 0), num(f.per_stream / KIB, 0)]
        if target == "direct":
            server = ["-"] * len(server)
        noise = [num(f.generators, 0), num(f.foreign, 0), num(f.stolen, 0)]
        rows.append([target, conns, *relay, num(f.bad, 0), num(f.rate, 0), *server, *noise])
    return table(head, rows)


def ratio_table(found: Found, to: str) -> str:
    ratios: list[Callable[[Figures], float | None]] = [
        lambda f: f.p50,
        lambda f: f.p99,
        lambda f: f.first_p50,
        lambda f: f.cpu_us,
        lambda f: f.memory,
        lambda f: f.per_stream,
    ]
    rows = []
    for (target, conns), f in found.items():
        reference = found.get((to, conns))
        if reference and target not in (to, "direct"):
            rows.append([target, conns, *(times(get(f), get(reference)) for get in ratios)])
    head = ["target", "C", "relay p50", "p99", "first p50", "CPU/chunk", "RSS", "KiB/stream"]
    return table(head, rows) if rows else ""


def times(value: float | None, reference: float | None) -> str:
    return f"{value / reference:.2f}×" if value and reference else "-"


def goal_table(found: Found) -> str:
    """The goals of the design beside what was reached."""
    rows = []
    for (target, conns), ours in found.items():
        if target != OURS:
            continue
        raw, flask = found.get((RAW, conns)), found.get((FLASK, conns))
        if raw:
            rows.append(
                [f"CPU per chunk, to {RAW}", conns, "≤ 1.6×", *_verdict(ours.cpu_us, raw.cpu_us, 1.6)]
            )
            rows.append([f"relay p99, to {RAW}", conns, "≤ 2×", *_verdict(ours.p99, raw.p99, 2)])
        if flask:
            rows.append(
                [f"CPU per chunk, to {FLASK}", conns, "< 1×", *_verdict(ours.cpu_us, flask.cpu_us, 1)]
            )
        rows.append(["KiB per stream", conns, "≤ 48", *_verdict(ours.per_stream / KIB, None, 48)])
        if conns >= 500:
            rows.append(["relay p99, ms", conns, "< 50", *_verdict(ours.p99, None, 50)])
        rows.append(["streams that failed", conns, "0", *_verdict(ours.bad, None, 0)])
    return table(["goal", "C", "wanted", "reached", "met"], rows) if rows else ""


def _verdict(value: float | None, reference: float | None, limit: float) -> tuple[str, str]:
    if value is None:
        return "-", "not measured"
    shown = value / reference if reference else value
    return num(shown) + ("×" if reference else ""), "yes" if shown <= limit else "**no**"


def failures(cells: Iterable[Cell]) -> str:
    told: dict[tuple[str, int], list[str]] = {}
    for cell in cells:
        kinds = {**cell.load["failures"], "short": cell.load["short"]}
        if any(kinds.values()):
            what = ", ".join(f"{number} {kind}" for kind, number in kinds.items() if number)
            told.setdefault((cell.target, cell.conns), []).append(what)
    return "; ".join(f"{target} at {conns}: {' | '.join(all)}" for (target, conns), all in told.items())


def report(cells: Sequence[Cell], first_ms: int, how: str) -> str:
    grouped: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        grouped.setdefault((cell.target, cell.conns), []).append(cell)
    order = sorted(grouped, key=lambda key: key[1])  # the targets of one number of streams together
    found = {key: figures(grouped[key], first_ms) for key in order}
    parts = ["# Streaming under load: results", how, measured_table(found)]
    for title, part in (
        ("Goals", goal_table(found)),
        (f"Ratios to {RAW} (above 1: worse than it)", ratio_table(found, RAW)),
        (f"Ratios to {NGINX}", ratio_table(found, NGINX)),
    ):
        if part:
            parts += [f"## {title}", part]
    if what := failures(cells):
        parts.append(f"What went wrong, per repeat: {what}.")
    return "\n\n".join(parts) + "\n"
