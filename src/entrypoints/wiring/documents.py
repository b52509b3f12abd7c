"""Files: how they come in, are handed out, and go."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx
from dishka import Provider, Scope, provide, provide_all

from adapters.clamd.scanner import Address, ClamdScanner
from adapters.http.rag_service_documents import RagServiceDocuments
from application.files.add_knowledge import AddKnowledge
from application.files.await_index import AwaitIndex
from application.files.check_incoming import CheckIncoming
from application.files.delete_file import DeleteFile
from application.files.delete_upload import DeleteUpload
from application.files.fetch_file import FetchFile
from application.files.keep_file import KeepFile
from application.files.list_files import ListFiles
from application.files.list_knowledge_users import ListKnowledgeUsers
from application.files.list_public_files import ListPublicFiles
from application.files.no_foreign_documents import NoForeignDocuments
from application.files.no_scanner import NoScanner
from application.files.upload_file import UploadFile
from application.ports.blobs import Blobs
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.extraction import Extractor
from application.ports.foreign_documents import ForeignDocuments
from application.ports.persistence import Reading, WorkFactory
from application.ports.scanner import Scanner
from application.ports.wakeup import Wakeup
from domain.document import FileKind, Quota
from entrypoints.setting_values import EMBEDDED
from entrypoints.settings import Settings

FORWARD_WAIT_S = 30.0  # an upload into a base waits so long for being indexed


class DocumentsProvider(Provider):
    scope = Scope.APP
    plain = provide_all(DeleteFile, DeleteUpload, FetchFile, ListFiles, ListKnowledgeUsers, ListPublicFiles)

    @provide
    def foreign(self, http: httpx.AsyncClient, settings: Settings) -> ForeignDocuments:
        if settings.rag_url == EMBEDDED:
            return NoForeignDocuments()
        return RagServiceDocuments(http, settings.rag_url.rstrip("/"))

    @provide
    def scanner(self, settings: Settings) -> Scanner:
        if settings.scanner_url is None:
            return NoScanner()
        return ClamdScanner(scanner_address(settings.scanner_url))

    @provide
    def check_incoming(self, scanner: Scanner, extractor: Extractor, settings: Settings) -> CheckIncoming:
        max_mb = {
            FileKind.DOCUMENT: settings.max_document_mb,
            FileKind.IMAGE: settings.max_image_mb,
            FileKind.AUDIO: settings.max_audio_mb,
        }
        return CheckIncoming(scanner=scanner, extractor=extractor, max_mb=max_mb)

    @provide
    def keep_file(
        self,
        work: WorkFactory,
        reading: Reading,
        blobs: Blobs,
        wakeup: Wakeup,
        calls: Calls,
        clock: Clock,
        settings: Settings,
    ) -> KeepFile:
        return KeepFile(
            work=work,
            reading=reading,
            blobs=blobs,
            wakeup=wakeup,
            calls=calls,
            clock=clock,
            quota=Quota(settings.user_files_max, settings.user_files_mb),
        )

    @provide
    def upload_file(
        self,
        work: WorkFactory,
        check_incoming: CheckIncoming,
        keep_file: KeepFile,
        reading: Reading,
        settings: Settings,
    ) -> UploadFile:
        return UploadFile(
            work=work,
            check_incoming=check_incoming,
            keep_file=keep_file,
            await_index=AwaitIndex(reading=reading, at_most_s=settings.rag_index_wait_seconds),
        )

    @provide
    def add_knowledge(
        self,
        work: WorkFactory,
        check_incoming: CheckIncoming,
        keep_file: KeepFile,
        reading: Reading,
        delete_file: DeleteFile,
    ) -> AddKnowledge:
        return AddKnowledge(
            work=work,
            check_incoming=check_incoming,
            keep_file=keep_file,
            await_index=AwaitIndex(reading=reading, at_most_s=FORWARD_WAIT_S),
            delete_file=delete_file,
        )


def scanner_address(url: str) -> Address:
    """Of a server, or of its socket on this machine."""
    parts = urlsplit(url)
    if parts.hostname is None:
        return Path(parts.path)
    return parts.hostname, parts.port or 0
