from application.ports.persistence import Account, Work
from domain.document import FileId, FileNotFound, StoredFile


async def held_file(w: Work, account: Account, id: FileId) -> StoredFile:
    """A file that is open to the account, held until the unit of work ends. FileNotFound for a missing one
    and for one that is not open to him alike."""
    file = await w.files.hold(id)
    if file is None or not file.is_open_to(account.id, account.role):
        raise FileNotFound
    return file
