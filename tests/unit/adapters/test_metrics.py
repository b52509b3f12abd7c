"""What workers count, and what their parent makes of it."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from adapters.prometheus.replies import PrometheusReplies
from adapters.prometheus.requests import Requests
from adapters.prometheus.snapshot import read_snapshot, write_snapshot
from adapters.prometheus.work import CountedMailer, CountedThrottle, PrometheusJobs
from adapters.prometheus.workers import Workers
from application.ports.mail import Mail, MailRefused, MailUndeliverable
from application.ports.throttle import Limit
from tests.fakes.clock import FakeClock
from tests.fakes.mail import FakeMailer
from tests.fakes.throttle import FakeThrottle


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"virtual_tutor_{name}", labels)


class TestReplies:
    def test_are_active_until_they_end(self, registry: CollectorRegistry) -> None:
        replies = PrometheusReplies(registry)
        replies.began()
        replies.began()
        replies.ended("complete")

        assert value(registry, "replies_active") == 1
        assert value(registry, "replies_total", outcome="complete") == 1

    def test_first_tokens_tell_our_part_from_the_models(self, registry: CollectorRegistry) -> None:
        PrometheusReplies(registry).first_token(ours_s=0.01, upstream_s=2.0)

        assert value(registry, "reply_first_token_seconds_sum", part="ours") == 0.01
        assert value(registry, "reply_first_token_seconds_sum", part="upstream") == 2.0

    def test_readers_come_and_leave(self, registry: CollectorRegistry) -> None:
        replies = PrometheusReplies(registry)
        for _ in range(3):
            replies.reader_came()
        replies.reader_left(dropped=False)
        replies.reader_left(dropped=True)

        assert value(registry, "readers_active") == 1
        assert value(registry, "readers_dropped_total") == 1

    def test_of_the_lags_about_one_in_16_is_noted(self, registry: CollectorRegistry) -> None:
        replies = PrometheusReplies(registry)
        for _ in range(16_000):
            replies.relayed(0.003)

        noted = value(registry, "relay_lag_seconds_count") or 0
        assert 700 < noted < 1300  # nine standard deviations
        assert value(registry, "relay_lag_seconds_bucket", le="0.002") == 0
        assert value(registry, "relay_lag_seconds_bucket", le="0.005") == noted

    def test_a_breaker_is_open_or_not(self, registry: CollectorRegistry) -> None:
        replies = PrometheusReplies(registry)
        seen = []
        for state in ("closed", "open", "half_open", "open", "closed"):
            replies.breaker("primary", state)
            seen.append(value(registry, "breaker_open", upstream="primary"))

        assert seen == [0, 1, 0, 1, 0]

    def test_faults_are_counted_by_what_they_were(self, registry: CollectorRegistry) -> None:
        replies = PrometheusReplies(registry)
        replies.settled()
        replies.documents_skipped("late")
        replies.upstream_failed("fallback_1", "llm_timeout")

        assert value(registry, "replies_settled_total") == 1
        assert value(registry, "documents_skipped_total", cause="late") == 1
        assert value(registry, "upstream_failures_total", upstream="fallback_1", kind="llm_timeout") == 1


class TestOtherPorts:
    async def test_a_mail_is_counted_by_what_became_of_it(self, registry: CollectorRegistry) -> None:
        mailer = FakeMailer()
        counted = CountedMailer(mailer, registry)
        mailer.unknown.add("nobody@example.org")

        await counted.deliver(mail_to("ann@example.org"))
        with pytest.raises(MailUndeliverable):
            await counted.deliver(mail_to("nobody@example.org"))
        mailer.down = True
        with pytest.raises(MailRefused):
            await counted.deliver(mail_to("ann@example.org"))

        outcomes = ("delivered", "undeliverable", "refused")
        assert [value(registry, "mails_total", outcome=outcome) for outcome in outcomes] == [1, 1, 1]
        assert len(mailer.delivered) == 1

    async def test_whoever_is_over_a_limit_is_counted(self, registry: CollectorRegistry) -> None:
        throttle = CountedThrottle(FakeThrottle(FakeClock()), registry)
        limit = Limit("chat", 1, timedelta(minutes=1))

        waits = [await throttle.take(limit, "ann") for _ in range(3)]
        assert waits[0] == 0
        assert all(waits[1:])
        assert value(registry, "limit_hits_total", limit="chat") == 2
        await throttle.give_back(limit, "ann")
        assert await throttle.take(limit, "ann") == 0
        await throttle.forget(limit, "ann")
        assert await throttle.take(limit, "ann") == 0

    def test_jobs_by_kind_and_outcome(self, registry: CollectorRegistry) -> None:
        PrometheusJobs(registry).job_ended("send_mail", "done")

        assert value(registry, "jobs_total", kind="send_mail", outcome="done") == 1

    def test_requests_by_route_and_class_of_status(self, registry: CollectorRegistry) -> None:
        requests = Requests()
        registry.register(requests)
        for status in (200, 204, 404):
            requests.answered("GET", "/api/chat/{session}", status)

        two = value(registry, "http_requests_total", method="GET", route="/api/chat/{session}", status="2xx")
        assert two == 2

    def test_requests_are_answered_while_somebody_looks(self) -> None:
        requests, over = Requests(), threading.Event()

        def look() -> None:
            while not over.is_set():
                requests.collect()

        often = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(1) as threads:
                looking = threads.submit(look)
                for n in range(3000):
                    requests.answered("GET", f"/api/{n}", 200)
                over.set()
                looking.result()
        finally:
            sys.setswitchinterval(often)


def mail_to(address: str) -> Mail:
    return Mail(address, "subject", "text", FakeClock().now())


def worker(folder: Path, pid: int, *, completed: int, active: int, lag_s: float = 0.003) -> None:
    registry = CollectorRegistry()
    replies = PrometheusReplies(registry)
    for _ in range(completed + active):
        replies.began()
        replies.first_token(lag_s, lag_s)
    for _ in range(completed):
        replies.ended("complete")
    write_snapshot(registry, folder, pid)


class TestWorkers:
    def test_are_added_up(self, tmp_path: Path) -> None:
        worker(tmp_path, 11, completed=2, active=1)
        worker(tmp_path, 12, completed=3, active=4)

        seen = asked(Workers(tmp_path, lambda _: True))
        assert seen["virtual_tutor_replies_total", ("complete",)] == 5
        assert seen["virtual_tutor_replies_active", ()] == 5
        assert seen["virtual_tutor_reply_first_token_seconds_count", ("ours",)] == 10
        assert seen["virtual_tutor_reply_first_token_seconds_bucket", ("0.005", "ours")] == 10

    def test_a_dead_one_leaves_its_counts_and_nothing_open(self, tmp_path: Path) -> None:
        living = {11, 12}
        workers = Workers(tmp_path, living.__contains__)
        worker(tmp_path, 11, completed=2, active=1)
        worker(tmp_path, 12, completed=3, active=4)
        before = asked(workers)
        living.remove(12)

        for _ in range(3):
            seen = asked(workers)
            assert seen["virtual_tutor_replies_total", ("complete",)] == 5
            assert seen["virtual_tutor_replies_active", ()] == 1
            assert seen.keys() == before.keys()
        assert [file.name for file in tmp_path.iterdir()] == ["11.json"]

    @given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5), st.booleans()), max_size=12))
    def test_what_was_counted_never_shrinks(
        self, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, bool]]
    ) -> None:
        folder = tmp_path_factory.mktemp("metrics")
        living: dict[int, int] = {}
        workers, gone, pids = Workers(folder, living.__contains__), 0, iter(range(1000))
        for slot, more, dies in steps:
            pid = list(living)[slot % len(living)] if living and slot > 1 else next(pids)
            living[pid] = living.get(pid, 0) + more
            worker(folder, pid, completed=living[pid], active=0)
            if dies:
                gone += living.pop(pid)

            seen = asked(workers)
            assert seen.get(("virtual_tutor_replies_total", ("complete",)), 0) == gone + sum(living.values())

    @pytest.mark.parametrize("damage", ["", "[[", "\x00\x00"])
    def test_a_damaged_file_hides_no_other(self, tmp_path: Path, damage: str) -> None:
        worker(tmp_path, 11, completed=2, active=0)
        (tmp_path / "12.json").write_text(damage)

        assert asked(Workers(tmp_path, lambda _: True))["virtual_tutor_replies_total", ("complete",)] == 2

    def test_without_any_there_is_nothing_to_tell(self, tmp_path: Path) -> None:
        assert asked(Workers(tmp_path / "gone", lambda _: True)) == {}

    def test_a_snapshot_is_what_was_collected(self, tmp_path: Path, registry: CollectorRegistry) -> None:
        PrometheusReplies(registry).ended("complete")
        write_snapshot(registry, tmp_path, 1)

        read = {s.name for metric in read_snapshot(tmp_path / "1.json") for s in metric.samples}
        told = {s.name for metric in registry.collect() for s in metric.samples}
        assert read == {name for name in told if not name.endswith("_created")}


def asked(workers: Workers) -> dict[tuple[str, tuple[str, ...]], float]:
    """What monitoring makes of the page: values by name and labels, sorted by their names."""
    registry = CollectorRegistry()
    registry.register(workers)
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }
