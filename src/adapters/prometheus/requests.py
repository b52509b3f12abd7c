from collections import Counter

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override


class Requests(Collector):
    """Answered HTTP requests by route, never by path: a path may hold a number that is somebody's."""

    def __init__(self) -> None:
        self._answered: Counter[tuple[str, str, str]] = Counter()

    def answered(self, method: str, route: str, status: int) -> None:
        self._answered[method, route, f"{status // 100}xx"] += 1

    @override
    def collect(self) -> list[CounterMetricFamily]:
        family = CounterMetricFamily(
            "virtual_tutor_http_requests", "Answered requests.", labels=["method", "route", "status"]
        )
        for labels, number in dict(self._answered).items():  # a copy: requests are answered meanwhile
            family.add_metric(labels, number)
        return [family]
