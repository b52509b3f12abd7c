from dataclasses import dataclass

from application.files.burying import HEAD_START, Deleted, bury, erased_now
from application.files.erase_file import EraseFile
from application.files.held_file import held_file
from application.indexing.news import tell_of_files
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.persistence import Account, WorkFactory
from domain.document import FileId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFile:
    """A file goes by its number: from its owner's lists, or from the public base."""

    work: WorkFactory
    erase_file: EraseFile
    calls: Calls
    clock: Clock

    async def __call__(self, account: Account, id: FileId) -> Deleted:
        """Raises FileNotFound, also for a file that is not open to the account."""
        async with self.work() as w:
            file = await held_file(w, account, id)
            await bury(w, file, self.clock.now(), HEAD_START)
            await w.commit()
        await tell_of_files(self.calls, file.user_id)
        return await erased_now(self.erase_file, id)
