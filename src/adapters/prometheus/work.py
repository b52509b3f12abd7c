"""What is counted beside replies: jobs, and what passes through two other ports."""

from prometheus_client import CollectorRegistry, Counter
from typing_extensions import override

from application.ports.mail import Mail, Mailer, MailRefused, MailUndeliverable
from application.ports.metrics import JobMetrics
from application.ports.throttle import Limit, Throttle


class PrometheusJobs(JobMetrics):
    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "virtual_tutor_jobs",
            "Background jobs by how a try ended.",
            ["kind", "outcome"],
            registry=registry,
        )

    @override
    def job_ended(self, kind: str, outcome: str) -> None:
        self._ended.labels(kind, outcome).inc()


class CountedMailer(Mailer):
    """Delivers as `mailer` does, and counts."""

    def __init__(self, mailer: Mailer, registry: CollectorRegistry) -> None:
        self._mailer = mailer
        self._tries = Counter(
            "virtual_tutor_mails", "Tries to deliver a mail.", ["outcome"], registry=registry
        )

    @override
    async def deliver(self, mail: Mail) -> None:
        try:
            await self._mailer.deliver(mail)
        except MailRefused as error:
            self._tries.labels("undeliverable" if isinstance(error, MailUndeliverable) else "refused").inc()
            raise
        self._tries.labels("delivered").inc()


class CountedThrottle(Throttle):
    """Limits as `throttle` does, and counts who was over a limit."""

    def __init__(self, throttle: Throttle, registry: CollectorRegistry) -> None:
        self._throttle = throttle
        self._hits = Counter(
            "virtual_tutor_limit_hits", "Requests beyond a limit.", ["limit"], registry=registry
        )

    @override
    async def take(self, limit: Limit, subject: str) -> int:
        wait = await self._throttle.take(limit, subject)
        if wait:
            self._hits.labels(limit.scope).inc()
        return wait

    @override
    async def give_back(self, limit: Limit, subject: str) -> None:
        await self._throttle.give_back(limit, subject)

    @override
    async def forget(self, limit: Limit, subject: str) -> None:
        await self._throttle.forget(limit, subject)
