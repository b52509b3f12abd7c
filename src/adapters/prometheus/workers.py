from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.registry import Collector
from typing_extensions import override

from adapters.prometheus.snapshot import SUFFIX, read_snapshot


class _Sum:
    """Samples of the same name and labels, added up."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[str, str]] = {}
        self._samples: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}

    def add(self, metrics: Iterable[Metric]) -> None:
        for metric in metrics:
            self._kinds[metric.name] = metric.documentation, metric.type
            samples = self._samples.setdefault(metric.name, {})
            for sample in metric.samples:
                key = sample.name, tuple(sample.labels.items())
                samples[key] = samples.get(key, 0.0) + sample.value

    def metrics(self) -> list[Metric]:
        found = []
        for name, (documentation, kind) in sorted(self._kinds.items()):
            metric = Metric(name, documentation, kind)
            for (sample, labels), value in self._samples[name].items():
                metric.add_sample(sample, dict(labels), value)
            found.append(metric)
        return found


@dataclass(frozen=True)
class Workers(Collector):
    """The sums over all workers of this start. What a dead worker has counted stays counted; what it had
    open is not."""

    folder: Path
    lives: Callable[[int], bool]  # whether the process of that number is one of our workers
    _ended: _Sum = field(default_factory=_Sum)
    _turn: Lock = field(default_factory=Lock)

    @override
    def collect(self) -> list[Metric]:
        total = _Sum()
        with self._turn:
            for file in self.folder.glob(f"*{SUFFIX}"):
                living = self.lives(int(file.stem))  # asked first: a dead one's file changes no more
                try:
                    metrics = read_snapshot(file)
                except (OSError, ValueError):
                    continue
                if living:
                    total.add(metrics)
                else:
                    self._ended.add(metric for metric in metrics if metric.type != "gauge")
                    file.unlink(missing_ok=True)
            total.add(self._ended.metrics())
        return total.metrics()


def serve_metrics(port: int, workers: Workers) -> None:
    """On loopback only, from a thread of its own until the process ends. Raises OSError."""
    registry = CollectorRegistry()
    registry.register(workers)
    start_http_server(port, "127.0.0.1", registry)
