"""Where files come in and go: the use cases on fakes, with Ann and Ben, who study, and Tim, who teaches."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from application.files.add_knowledge import AddKnowledge
from application.files.await_index import AwaitIndex
from application.files.check_incoming import CheckIncoming, Incoming
from application.files.delete_file import DeleteFile
from application.files.delete_upload import DeleteUpload
from application.files.erase_file import EraseFile
from application.files.fetch_file import FetchFile
from application.files.keep_file import KeepFile
from application.files.list_files import ListFiles
from application.files.no_scanner import NoScanner
from application.files.upload_file import Uploaded, UploadFile
from application.indexing.queueing import index_key
from application.personal_data.renew_archives import RenewArchives
from application.ports.persistence import Account
from application.ports.scanner import Scanner
from domain.document import FileKind, IndexState, Quota, StoredFile
from domain.user import Role, UserId
from tests.builders import a_stored_session, a_user
from tests.fakes.blobs import FakeBlobs
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import FakeClock
from tests.fakes.extraction import FakeExtractor
from tests.fakes.foreign_documents import FakeForeignDocuments
from tests.fakes.knowledge import FakeKnowledge
from tests.fakes.persistence import FakeDatabase, FakeReading, FakeWorkFactory, Tables
from tests.fakes.replies import FakeReplyLogs
from tests.fakes.wakeup import FakeWakeup

ANN, BEN, TIM = UserId(1), UserId(2), UserId(3)
TEXT = b"Osmosis moves water."
MUCH = Quota(files=1000, mb=1000)
ROLES = {ANN: Role.STUDENT, BEN: Role.STUDENT, TIM: Role.TUTOR}


def account(user: UserId) -> Account:
    return Account(user, f"{user}@example.org", ROLES[user], banned=False)


@dataclass(eq=False)
class Desk:
    folder: Path
    index_wait_s: float = 0.0
    quota: Quota = MUCH
    scanner: Scanner = field(default_factory=NoScanner)
    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    blobs: FakeBlobs = field(default_factory=FakeBlobs)
    calls: FakeCalls = field(default_factory=FakeCalls)
    knowledge: FakeKnowledge = field(default_factory=FakeKnowledge)
    foreign: FakeForeignDocuments = field(default_factory=FakeForeignDocuments)
    wakeup: FakeWakeup = field(default_factory=FakeWakeup)

    async def opened(self) -> "Desk":
        """With its people, and a session of Ann's: number 1."""
        async with self.work() as w:
            for email in ("ann@example.org", "ben@example.org", "tim@example.org"):
                w.users.add(a_user(email))
            await w.flush()
            await a_stored_session(w, ANN)
            await w.commit()
        return self

    async def incoming(self, name: str, content: bytes) -> Incoming:
        path = self.folder / uuid4().hex
        await asyncio.to_thread(path.write_bytes, content)
        return Incoming(name, path, len(content))

    async def upload(
        self, name: str = "notes.txt", content: bytes = TEXT, session: str | None = None, user: UserId = ANN
    ) -> Uploaded:
        return await self.upload_file(user, await self.incoming(name, content), session)

    async def add(self, name: str = "notes.txt", content: bytes = TEXT, user: UserId = ANN) -> StoredFile:
        return await self.add_knowledge(account(user), await self.incoming(name, content))

    async def indexed(self, file: StoredFile, *pages: str) -> None:
        """As a job would have left it."""
        self.knowledge.texts[file.id] = pages or ("Osmosis moves water.",)
        report = await self.knowledge.index(file)
        async with self.work() as w:
            told: dict[str, object] = {"chunk_embs_num": report.chunk_embs_num}
            await w.files.mark_indexed(file.id, IndexState.INDEXED, None, told)
            await w.jobs.cancel(index_key(file.id), self.clock.now())
            await w.commit()

    @property
    def work(self) -> FakeWorkFactory:
        return FakeWorkFactory(self.database)

    @property
    def check_incoming(self) -> CheckIncoming:
        return CheckIncoming(
            scanner=self.scanner, extractor=FakeExtractor(max_pages=3), max_mb=dict.fromkeys(FileKind, 1)
        )

    @property
    def keep_file(self) -> KeepFile:
        return KeepFile(
            work=self.work,
            reading=FakeReading(self.database),
            blobs=self.blobs,
            wakeup=self.wakeup,
            calls=self.calls,
            clock=self.clock,
            quota=self.quota,
        )

    @property
    def await_index(self) -> AwaitIndex:
        return AwaitIndex(reading=FakeReading(self.database), at_most_s=self.index_wait_s)

    @property
    def erase_file(self) -> EraseFile:
        return EraseFile(
            work=self.work,
            reading=FakeReading(self.database),
            knowledge=self.knowledge,
            blobs=self.blobs,
            logs=FakeReplyLogs(),
            renew_archives=RenewArchives(
                work=self.work, blobs=self.blobs, calls=self.calls, clock=self.clock
            ),
            calls=self.calls,
            clock=self.clock,
        )

    @property
    def upload_file(self) -> UploadFile:
        return UploadFile(
            work=self.work,
            check_incoming=self.check_incoming,
            keep_file=self.keep_file,
            await_index=self.await_index,
        )

    @property
    def add_knowledge(self) -> AddKnowledge:
        return AddKnowledge(
            work=self.work,
            check_incoming=self.check_incoming,
            keep_file=self.keep_file,
            await_index=self.await_index,
            delete_file=self.delete_file,
        )

    @property
    def delete_file(self) -> DeleteFile:
        return DeleteFile(work=self.work, erase_file=self.erase_file, calls=self.calls, clock=self.clock)

    @property
    def delete_upload(self) -> DeleteUpload:
        return DeleteUpload(
            work=self.work,
            foreign=self.foreign,
            erase_file=self.erase_file,
            calls=self.calls,
            clock=self.clock,
        )

    @property
    def fetch_file(self) -> FetchFile:
        return FetchFile(reading=FakeReading(self.database), blobs=self.blobs)

    @property
    def list_files(self) -> ListFiles:
        return ListFiles(reading=FakeReading(self.database), blobs=self.blobs)

    @property
    def tables(self) -> Tables:
        return self.database.tables
