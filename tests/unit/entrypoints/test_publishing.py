import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from entrypoints.wiring.metrics import publish


class FailsAtFirst(Collector):
    """`asked` is how often it was collected."""

    def __init__(self) -> None:
        self.asked = 0

    def describe(self) -> Iterator[Metric]:
        return iter(())

    @override
    def collect(self) -> Iterator[Metric]:
        self.asked += 1
        if self.asked == 1:
            raise RuntimeError("dictionary changed size during iteration")
        yield CounterMetricFamily("something", "Counted.", 1)


async def test_a_snapshot_that_fails_is_logged_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry, collector, over = CollectorRegistry(), FailsAtFirst(), asyncio.Event()
    registry.register(collector)
    publishing = asyncio.create_task(publish(registry, tmp_path, over, every_s=0.001))
    async with asyncio.timeout(5):
        while not list(tmp_path.glob("*.json")):
            assert not publishing.done()
            await asyncio.sleep(0.001)
    over.set()
    await publishing
    assert [record.message for record in caplog.records] == ["metrics could not be published"]
