from collections.abc import Sequence
from datetime import datetime

from application.files.burying import bury
from application.ports.persistence import Work
from domain.conversation import ChatSession, MessageId
from domain.job import JobKind


async def removed(w: Work, session: ChatSession, now: datetime) -> Sequence[MessageId]:
    """A held session goes with its messages and whatever tells of them. Its files are hidden in the same
    moment and erased by jobs: bytes and index may be out of reach just now. Its number and its memory key are
    never given again. Its replies, of which there may be copies elsewhere."""
    replies = await w.messages.replies_in(session.id)
    for file in await w.files.of_session(session.id):
        await bury(w, file, now)
    if await w.exports.of(session.owner):
        payload: dict[str, object] = {"user_id": session.owner, "since": now.isoformat()}
        await w.jobs.add(JobKind.RENEW_ARCHIVES, payload, f"renew_archives:session:{session.id}", now)
    await w.sessions.remove(session.id)
    await w.jobs.add(JobKind.SWEEP_FULL_TEXT, {}, f"sweep:session:{session.id}", now)
    return replies
