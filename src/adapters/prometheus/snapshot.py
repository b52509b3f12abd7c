"""What one worker has counted, in a file that the parent process reads.

prometheus_client has a mode of its own for several processes. Its memory-mapped files end a worker with
SIGBUS when the disk is full, stay behind after every worker that ends, and cost more on each count.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.registry import Collector

SUFFIX = ".json"


def write_snapshot(metrics: Collector, folder: Path, pid: int) -> None:
    """Whoever reads the file sees this snapshot or the one before. Raises OSError."""
    draft = folder / f"{pid}.new"
    draft.write_text(json.dumps([_packed(metric) for metric in metrics.collect()]))
    draft.replace(folder / f"{pid}{SUFFIX}")


def read_snapshot(file: Path) -> list[Metric]:
    """Raises OSError, ValueError."""
    return [_unpacked(*packed) for packed in json.loads(file.read_text())]


def _packed(metric: Metric) -> tuple[str, str, str, list[tuple[str, dict[str, str], float]]]:
    samples = [(s.name, s.labels, s.value) for s in metric.samples if not s.name.endswith("_created")]
    return metric.name, metric.documentation, metric.type, samples


def _unpacked(
    name: str, documentation: str, kind: str, samples: Iterable[tuple[str, dict[str, str], float]]
) -> Metric:
    metric = Metric(name, documentation, kind)
    for sample in samples:
        metric.add_sample(*sample)
    return metric
