import asyncio
import hashlib
from pathlib import Path

import pytest

from application.files.keep_file import NAME_TRIES
from application.ports.blobs import BlobStoreUnavailable
from application.ports.calls import FilesChanged
from application.ports.scanner import FileInfected
from domain.conversation import SessionNotFound, Speaker
from domain.document import (
    MB,
    BadFile,
    FileKind,
    FileTooLarge,
    FileTypeNotAllowed,
    IndexState,
    NameTaken,
    Quota,
    QuotaExceeded,
)
from domain.errors import DomainError, Invalid, InvalidField, MissingField, StorageUnavailable
from tests.fakes.persistence import FakeWorkFactory
from tests.fakes.scanner import VIRUS, FakeScanner
from tests.images import a_bomb
from tests.unit.files.desk import ANN, BEN, TEXT, Desk, account

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "


class TestDocument:
    async def test_joins_the_session(self, desk: Desk) -> None:
        uploaded = await desk.upload("dir/My Notes.TXT", session="1")
        file = desk.tables.files[uploaded.file.id]
        assert (file.user_id, file.original_name, file.kind) == (ANN, "My Notes.TXT", FileKind.DOCUMENT)
        assert file.stored_name == "20251118_103045_My Notes.TXT"
        assert file.index_name == "My Notes.TXT"
        assert (file.mime, file.size) == ("text/plain", len(TEXT))
        assert file.sha256 == hashlib.sha256(TEXT).hexdigest()
        assert (file.session_id, file.message_id) == (1, uploaded.message)
        assert desk.blobs.kept == {file.disk_name: TEXT}
        message = desk.tables.messages[uploaded.message]
        assert (message.speaker, message.content) == (Speaker.USER, "Uploaded document: My Notes.TXT")
        assert (message.file_id, message.file_type, message.file_path) == (file.id, "document", file.path)
        session = desk.tables.sessions[uploaded.session]
        assert (session.message_count, session.title) == (1, "Biology")

    async def test_is_indexed_by_a_job(self, desk: Desk) -> None:
        uploaded = await desk.upload()
        assert uploaded.file.rag_status is IndexState.PENDING
        (job,) = desk.tables.jobs.values()
        assert (job.kind, job.payload) == ("index_document", {"file_id": uploaded.file.id})
        assert job.dedup_key == f"index:{uploaded.file.id}"
        assert desk.wakeup.rings == 1

    async def test_without_a_session_opens_one(self, desk: Desk) -> None:
        uploaded = await desk.upload("x" * 40 + ".txt")
        session = desk.tables.sessions[uploaded.session]
        assert (session.owner, session.title, session.message_count) == (ANN, "File: " + "x" * 30, 1)

    @pytest.mark.parametrize("unsent", ["", "null", "undefined"])
    async def test_an_unsent_session_is_none(self, desk: Desk, unsent: str) -> None:
        assert (await desk.upload(session=unsent)).session != 1


class TestOtherKinds:
    @pytest.mark.parametrize(
        ("name", "content", "kind", "mime"),
        [
            ("a.png", PNG, "image", "image/png"),
            ("a.JPG", b"\xff\xd8\xff\xe0rest", "image", "image/jpeg"),
            ("a.wav", WAV, "audio", "audio/wav"),
            ("a.mp3", b"ID3\x04rest", "audio", "audio/mpeg"),
            ("a.mp3", b"\xff\xfb\x90\x00", "audio", "audio/mpeg"),
            ("a.m4a", b"\x00\x00\x00\x20ftypM4A ", "audio", "audio/mp4"),
        ],
    )
    async def test_are_kept_and_not_indexed(
        self, desk: Desk, name: str, content: bytes, kind: str, mime: str
    ) -> None:
        file = (await desk.upload(name, content)).file
        assert (file.kind, file.mime, file.index_name, file.rag_status) == (kind, mime, None, None)
        assert desk.tables.jobs == {}
        assert desk.wakeup.rings == 0

    async def test_are_news_for_who_watches(self, desk: Desk) -> None:
        await desk.upload("a.png", PNG)
        assert desk.calls.made == [FilesChanged(ANN)]
        desk.calls.down = True
        await desk.upload("b.png", PNG)


class TestNames:
    async def test_never_clash(self, desk: Desk) -> None:
        files = [(await desk.upload("a.md")).file for _ in range(3)]
        assert [file.stored_name[16:] for file in files] == ["a.md", "a-2.md", "a-3.md"]
        assert [file.index_name for file in files] == ["a.md.txt", "a.md-2.txt", "a.md-3.txt"]
        desk.clock.pass_(seconds=1)
        later = (await desk.upload("a.md")).file
        assert (later.stored_name[16:], later.index_name) == ("a.md", "a.md-4.txt")

    async def test_that_another_took_in_the_same_moment_are_chosen_anew(self, desk: Desk) -> None:
        await desk.upload("a.txt")
        desk.database.blind = 2 * (NAME_TRIES - 1)
        assert (await desk.upload("a.txt")).file.index_name == "a-2.txt"
        desk.database.blind = 2 * NAME_TRIES
        kept = dict(desk.blobs.kept)
        with pytest.raises(NameTaken):
            await desk.upload("a.txt")
        assert desk.blobs.kept == kept

    async def test_of_others_do_not_matter(self, desk: Desk) -> None:
        await desk.upload("a.txt")
        assert (await desk.upload("a.txt", user=BEN)).file.index_name == "a.txt"

    async def test_never_clash_in_parallel(self, desk: Desk) -> None:
        files = [u.file for u in await asyncio.gather(*(desk.upload("a.txt") for _ in range(8)))]
        assert len({file.stored_name for file in files}) == len({file.index_name for file in files}) == 8

    async def test_harmless_for_the_index(self, desk: Desk) -> None:
        file = (await desk.upload('my "notes" [1].md')).file
        assert (file.original_name, file.index_name) == ('my "notes" [1].md', "my _notes_ _1_.md.txt")


def nothing_was_made(desk: Desk) -> bool:
    return not (desk.tables.files or desk.tables.messages or desk.blobs.kept or len(desk.tables.sessions) > 1)


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "content", "session", "refusal", "msg"),
        [
            ("..", b"", "0", Invalid, "Invalid filename"),
            ("a.exe", b"", "0", FileTypeNotAllowed, "File type '.exe' not allowed"),
            ("a.png", b"", "0", BadFile, "File is empty"),
            ("a.png", b"x" * 1048577, "0", FileTooLarge, "Maximum size for image files is 1 MB"),
            ("a.txt", b"x" * 1048577, "0", FileTooLarge, "Maximum size for document files is 1 MB"),
            ("a.png", WAV, "0", BadFile, "File content does not match its type"),
            ("a.jpg", PNG, "0", BadFile, "File content does not match its type"),
            ("a.mp3", b"\xff\xf0", "0", BadFile, "File content does not match its type"),
            ("a.m4a", b"ftyp", "0", BadFile, "File content does not match its type"),
            ("a.png", a_bomb(20_000, 5_001), "0", BadFile, r"too many pixels \(max 100 megapixels\)"),
            ("a.txt", b"\x00\xff", "0", BadFile, "File content does not match its type"),
            ("a.txt", b" \n", "0", BadFile, "Document cannot be read"),
            ("a.pdf", b"1\x0c2\x0c3\x0c4", "0", BadFile, r"Document has too many pages \(max 3\)"),
            ("a.txt", TEXT, "0", InvalidField, "Invalid session_id"),
            ("a.txt", TEXT, "999", SessionNotFound, "Session not found"),
        ],
    )
    async def test_come_in_order_and_make_nothing(
        self, desk: Desk, name: str, content: bytes, session: str, refusal: type[DomainError], msg: str
    ) -> None:
        with pytest.raises(refusal, match=msg):
            await desk.upload(name, content, session)
        assert nothing_was_made(desk)

    async def test_of_no_file_comes_first(self, desk: Desk) -> None:
        with pytest.raises(MissingField, match="No file part in the request"):
            await desk.upload_file(ANN, None, "0")

    async def test_a_foreign_session_is_not_found(self, desk: Desk) -> None:
        with pytest.raises(SessionNotFound):
            await desk.upload(session="1", user=BEN)
        assert nothing_was_made(desk)

    async def test_a_full_store_makes_nothing(self, desk: Desk) -> None:
        desk.blobs.full = True
        with pytest.raises(BlobStoreUnavailable, match="Failed to save file"):
            await desk.upload()
        assert nothing_was_made(desk)

    async def test_a_commit_without_an_answer_keeps_the_bytes(self, desk: Desk) -> None:
        """It may have happened: bytes that nobody needs are better than a row without its bytes."""
        desk.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await desk.upload()
        assert list(desk.blobs.kept.values()) == [TEXT]


class TestStillComing:
    """What is refused in the end is refused as soon as it is known."""

    @pytest.mark.parametrize(
        ("name", "refusal", "msg"),
        [
            ("..", Invalid, "Invalid filename"),
            ("a.exe", FileTypeNotAllowed, "File type '.exe' not allowed"),
        ],
    )
    def test_for_its_name(self, desk: Desk, name: str, refusal: type[DomainError], msg: str) -> None:
        with pytest.raises(refusal, match=msg):
            desk.upload_file.welcome(name)

    @pytest.mark.parametrize(
        ("name", "kind"), [("a.png", "image"), ("A.PDF", "document"), ("a.mp3", "audio")]
    )
    def test_for_its_size(self, desk: Desk, name: str, kind: str) -> None:
        growing = desk.upload_file.welcome(name)
        growing(0)
        growing(MB)
        with pytest.raises(FileTooLarge, match=f"Maximum size for {kind} files is 1 MB"):
            growing(MB + 1)


class TestScanning:
    async def test_comes_before_anybody_else_looks_into_a_file(self, tmp_path: Path) -> None:
        desk = await Desk(tmp_path, scanner=(scanner := FakeScanner())).opened()
        for name in ("a.txt", "a.png", "a.mp3"):
            with pytest.raises(FileInfected):
                await desk.upload(name, VIRUS)
        assert scanner.seen == [VIRUS] * 3
        assert nothing_was_made(desk)

    async def test_is_not_bothered_with_what_is_refused_anyway(self, tmp_path: Path) -> None:
        desk = await Desk(tmp_path, scanner=(scanner := FakeScanner())).opened()
        for name, content in (("a.exe", b"x"), ("a.txt", b""), ("a.txt", b"x" * 1_048_577)):
            with pytest.raises(DomainError):
                await desk.upload(name, content)
        assert scanner.seen == []


class TestQuota:
    async def test_of_files_is_not_exceeded(self, tmp_path: Path) -> None:
        desk = await Desk(tmp_path, quota=Quota(files=2, mb=10)).opened()
        first, _ = await desk.upload(), await desk.upload()
        with pytest.raises(QuotaExceeded, match=r"too many files \(max 2\)"):
            await desk.upload()
        await desk.upload(user=BEN)
        assert len(desk.blobs.kept) == 3
        await desk.delete_file(account(ANN), first.file.id)
        await desk.upload()

    async def test_of_bytes_is_not_exceeded(self, tmp_path: Path) -> None:
        desk = await Desk(tmp_path, quota=Quota(files=10, mb=1)).opened()
        half = b"x" * (512 * 1024)
        await desk.upload(content=half)
        await desk.upload(content=half)
        with pytest.raises(QuotaExceeded, match=r"too large \(max 1 MB\)"):
            await desk.upload(content=b"x")

    async def test_comes_after_all_other_refusals(self, tmp_path: Path) -> None:
        desk = await Desk(tmp_path, quota=Quota(files=0, mb=1)).opened()
        with pytest.raises(SessionNotFound):
            await desk.upload(session="999")

    async def test_holds_for_uploads_in_the_same_moment(self, tmp_path: Path) -> None:
        desk = await Desk(tmp_path, quota=Quota(files=3, mb=1)).opened()
        outcomes = await asyncio.gather(*(desk.upload() for _ in range(8)), return_exceptions=True)
        assert sum(isinstance(outcome, QuotaExceeded) for outcome in outcomes) == 5
        assert len(desk.tables.files) == len(desk.blobs.kept) == len(desk.tables.messages) == 3


class TestWaitingForTheIndex:
    async def test_ends_when_it_is_done(self, tmp_path: Path) -> None:
        desk = await Desk(tmp_path, index_wait_s=5).opened()
        uploading = asyncio.create_task(desk.upload())
        while not desk.tables.files:  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.001)
        (file,) = desk.tables.files.values()
        async with FakeWorkFactory(desk.database)() as w:
            await w.files.mark_indexed(file.id, IndexState.FAILED, "RAG service error: timeout")
            await w.commit()
        uploaded = (await uploading).file
        assert (uploaded.rag_status, uploaded.rag_error) == (IndexState.FAILED, "RAG service error: timeout")

    async def test_has_an_end(self, tmp_path: Path) -> None:
        desk = await Desk(tmp_path, index_wait_s=0.15).opened()
        assert (await desk.upload()).file.rag_status is IndexState.PENDING

    async def test_an_outage_meanwhile_does_not_undo_the_upload(self, tmp_path: Path) -> None:
        desk = await Desk(tmp_path, index_wait_s=0.15).opened()
        uploading = asyncio.create_task(desk.upload())
        while not desk.tables.files:  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.001)
        desk.database.down = True
        assert (await uploading).file.rag_status is IndexState.PENDING
