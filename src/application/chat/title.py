import re
from dataclasses import dataclass

from application.chat.context import MOST_MESSAGES, untold
from application.chat.upstreams import Upstreams
from application.chat.writing import asked_of, written
from application.ports.persistence import Context, Reading, WorkFactory
from domain.conversation import TITLE_MAX, SessionId, title_of_question

SYSTEM = "You give short titles to conversations between a student and a tutor."
TASK = (
    "Write a title of at most six words for this conversation, in its language. Answer with the title alone."
)
TITLE_TOKENS, WRITTEN_MAX = 32, 400
EXCHANGE_TOKENS = 400  # of a longer one, beginning and end will do

_MARK = re.compile(r"\s*\[[^\[\]\n]*\]\s*")  # clients sort sessions by a subject in front: `[BIO] …`
_UNNAMED = frozenset({"", "New Chat", "Untitled"})
_AROUND = " \t\"'`*#_“”„‘’«»「」『』《》."


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleSession:
    """A session that still has its automatic title gets one that tells what its first exchange is about. A
    title that somebody chose is never touched, nor is the moment of last use."""

    upstreams: Upstreams
    work: WorkFactory
    reading: Reading

    async def __call__(self, id: SessionId) -> None:
        writer = self.upstreams.writer
        async with self.work() as w:
            session = await w.sessions.get(id)
        if session is None or writer is None:
            return
        context = await self.reading.turns(id, None, MOST_MESSAGES)
        if not is_automatic(session.title, context) or not untold(context):
            return
        first = untold(context)[0].within(EXCHANGE_TOKENS)
        prompt = asked_of(session, SYSTEM, TASK, [first], TITLE_TOKENS)
        text = await written(writer, prompt, WRITTEN_MAX)
        title = title_from(text, session.title)
        if title is not None:
            await self._replace(id, session.title, title)

    async def _replace(self, id: SessionId, old: str, new: str) -> None:
        async with self.work() as w:
            session = await w.sessions.hold(id)
            if session is not None and session.title == old:
                session.title = new
                await w.commit()


def is_automatic(title: str, context: Context) -> bool:
    """Whether we have made the title ourselves; of a session without messages nobody can tell."""
    first = context.turns[0].text if context.turns else None
    return _without_mark(title) in _UNNAMED or (first is not None and title == title_of_question(first))


def title_from(written: str, old: str) -> str | None:
    """One line without quotation marks behind the old title's mark, if it has one; None when nothing useful
    was written."""
    line = next((line for line in written.splitlines() if line.strip(_AROUND)), "")
    line = re.sub(r"^\W*title\s*[:：]", "", line, flags=re.IGNORECASE)
    line = " ".join(_without_mark(line.strip(_AROUND)).strip(_AROUND).split())
    mark = _MARK.match(old)
    prefix = f"{mark[0].strip()} " if mark else ""
    return f"{prefix}{line}"[:TITLE_MAX].rstrip() if line else None


def _without_mark(title: str) -> str:
    return _MARK.sub("", title, count=1).strip() if _MARK.match(title) else title.strip()
