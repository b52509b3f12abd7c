from random import random

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from typing_extensions import override

from application.ports.metrics import ReplyMetrics

FIRST_TOKEN_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80)
LAG_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1)
SAMPLED = 1 / 16  # of the lags: noting one costs more than a microsecond, and there is one for every piece


class PrometheusReplies(ReplyMetrics):
    def __init__(self, registry: CollectorRegistry) -> None:
        self._active = Gauge(
            "virtual_tutor_replies_active", "Replies that are being generated.", registry=registry
        )
        first_token = Histogram(
            "virtual_tutor_reply_first_token_seconds",
            "From the accepted question to the first piece of the answer: our part and the model's.",
            ["part"],
            buckets=FIRST_TOKEN_S,
            registry=registry,
        )
        self._ours, self._upstream = first_token.labels("ours"), first_token.labels("upstream")
        self._ended = Counter(
            "virtual_tutor_replies", "Replies that have ended.", ["outcome"], registry=registry
        )
        self._lag = Histogram(
            "virtual_tutor_relay_lag_seconds",
            "From a piece's arrival to its leaving for one reader; one in 16, drawn at random.",
            buckets=LAG_S,
            registry=registry,
        )
        self._readers = Gauge(
            "virtual_tutor_readers_active", "Streams that are open to readers.", registry=registry
        )
        self._dropped = Counter(
            "virtual_tutor_readers_dropped", "Readers cut off for reading too slowly.", registry=registry
        )
        self._settled = Counter(
            "virtual_tutor_replies_settled",
            "Replies of dead workers completed by living ones.",
            registry=registry,
        )
        self._skipped = Counter(
            "virtual_tutor_documents_skipped",
            "Answers that had to do without documents.",
            ["cause"],
            registry=registry,
        )
        self._failures = Counter(
            "virtual_tutor_upstream_failures",
            "Calls of models that failed.",
            ["upstream", "kind"],
            registry=registry,
        )
        self._breaker = Gauge(
            "virtual_tutor_breaker_open",
            "Workers that leave this model alone for now, because it failed them.",
            ["upstream"],
            registry=registry,
        )

    @override
    def began(self) -> None:
        self._active.inc()

    @override
    def first_token(self, ours_s: float, upstream_s: float) -> None:
        self._ours.observe(ours_s)
        self._upstream.observe(upstream_s)

    @override
    def ended(self, outcome: str) -> None:
        self._active.dec()
        self._ended.labels(outcome).inc()

    @override
    def relayed(self, lag_s: float) -> None:
        if random() < SAMPLED:  # noqa: S311 (it keeps no secret)
            self._lag.observe(lag_s)

    @override
    def reader_came(self) -> None:
        self._readers.inc()

    @override
    def reader_left(self, *, dropped: bool) -> None:
        self._readers.dec()
        if dropped:
            self._dropped.inc()

    @override
    def settled(self) -> None:
        self._settled.inc()

    @override
    def documents_skipped(self, cause: str) -> None:
        self._skipped.labels(cause).inc()

    @override
    def upstream_failed(self, name: str, kind: str) -> None:
        self._failures.labels(name, kind).inc()

    @override
    def breaker(self, name: str, state: str) -> None:
        self._breaker.labels(name).set(state == "open")
