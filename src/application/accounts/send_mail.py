"""Mails that are no codes: queued with the change they tell of, tried until they are delivered."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from application.ports.clock import Clock
from application.ports.mail import Mail, Mailer, MailUndeliverable
from application.ports.persistence import Work
from domain.job import JobKind

log = logging.getLogger(__name__)


async def post(w: Work, mail: Mail) -> None:
    """The mail goes out once this unit of work is committed, and only then."""
    payload: dict[str, object] = {
        "to": mail.to,
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        "created_at": mail.created_at.isoformat(),
    }
    await w.jobs.add(JobKind.SEND_MAIL, payload, f"mail:{uuid4()}", mail.created_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMail:
    """Delivers a queued mail; one that cannot be for `retry_for`, whatever the reason, or that nobody will
    ever take, is given up: no address waits in the queue for ever."""

    mailer: Mailer
    clock: Clock
    retry_for: timedelta

    async def __call__(self, payload: dict[str, Any]) -> None:
        """Raises what went wrong while another try makes sense."""
        created_at = datetime.fromisoformat(payload["created_at"])
        mail = Mail(payload["to"], payload["subject"], payload["text"], created_at, payload["html"])
        try:
            await self.mailer.deliver(mail)
        except Exception as error:
            worthless = isinstance(error, MailUndeliverable)
            if not worthless and self.clock.now() - created_at < self.retry_for:
                raise
            told = {"subject": mail.subject, "undeliverable": worthless, "error": type(error).__name__}
            log.error("a mail was given up", extra=told)
