"""What readers were shown of a document, and that it goes."""

from collections.abc import Iterable
from itertools import groupby

from application.ports.persistence import Citing, Reading, WorkFactory
from application.ports.replies import ReplyLogs
from domain.conversation import MessageId
from domain.document import StoredFile


async def withdrawn(work: WorkFactory, reading: Reading, logs: ReplyLogs, file: StoredFile) -> None:
    """A step: no reply has the file among its sources any more. What a reply has said stays as it is."""
    after = MessageId(0)
    while citing := await reading.citing(file, after):
        # the copies first: of a reply that does not cite the file any more nobody would look for one
        await logs.forget([one.message for one in citing])
        for portion in _by_session(citing):
            async with work() as w:
                await w.sessions.hold(portion[0].session)
                for one in portion:
                    await w.messages.withdraw(one.message, file)
                await w.commit()
        after = citing[-1].message


def _by_session(citing: Iterable[Citing]) -> list[list[Citing]]:
    ordered = sorted(citing, key=lambda one: one.session)
    return [list(portion) for _, portion in groupby(ordered, key=lambda one: one.session)]
