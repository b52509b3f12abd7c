from collections.abc import Sequence
from datetime import datetime, timedelta

from application.files.burying import bury
from application.ports.persistence import Work
from domain.conversation import ChatSession, MessageId
from domain.job import JobKind

MINUTES = 10


async def removed(
    w: Work, session: ChatSession, now: datetime, *, together: bool = False
) -> Sequence[MessageId]:
    """A held session goes with its messages and whatever tells of them. Its files are hidden in the same
    moment and erased by jobs: bytes and index may be out of reach just now. Its number and its memory key are
    never given again. Its replies, of which there may be copies elsewhere. `together`: many go, and nobody
    waits for it: what tells of them is seen to for all at once."""
    replies = await w.messages.replies_in(session.id)
    for file in await w.files.of_session(session.id):
        await bury(w, file, now)
    owner, due = session.owner, _due_together(now) if together else now
    which = f"expired:{due:%Y-%m-%dT%H:%M}" if together else f"session:{session.id}"
    await w.sessions.remove(session.id)
    renewal: dict[str, object] = {"user_id": owner, "since": due.isoformat()}
    await w.jobs.add(JobKind.RENEW_ARCHIVES, renewal, f"renew_archives:{which}:{owner}", due)
    await w.jobs.add(JobKind.SWEEP_FULL_TEXT, {}, f"sweep:{which}", due)
    return replies


def _due_together(now: datetime) -> datetime:
    """The same for all of ten minutes, and so late that the last of those has been committed long before: a
    job that has begun may have passed by what goes only now."""
    begin = now.replace(minute=now.minute // MINUTES * MINUTES, second=0, microsecond=0)
    return begin + timedelta(minutes=2 * MINUTES)
