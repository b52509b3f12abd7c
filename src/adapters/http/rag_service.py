import math
import unicodedata
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from secrets import token_hex

import httpx
from msgspec import Struct
from typing_extensions import override

from adapters.http.answers import status_of, whole
from adapters.http.client import patience
from adapters.http.decoding import decoded
from adapters.http.errors import BadAnswer
from adapters.http.knowledge_errors import knowledge_errors
from adapters.http.rag_service_documents import forgotten
from application.ports.blobs import BlobNotFound, Blobs
from application.ports.knowledge import Erased, IndexReport, Knowledge, KnowledgeFailed
from application.ports.progress import Progress, untold
from domain.conversation import SessionId
from domain.document import BadFile, Hit, StoredFile
from domain.text import storable
from domain.user import UserId

CHECK_S = 2.0
HIT_MAX = 8000  # characters; more than a prompt takes
NAME_MAX = 255
_UNSAFE = frozenset("\"'\\/%")
_PUBLIC = {"personal": False, "public": True}  # by `knowledge_base`, where it says so


class _Indexed(Struct):
    chunk_embs_num: int
    page_count: object = None
    page_embs_num: object = None
    page_collection: object = None
    chunk_collection: object = None


class _Hits(Struct):
    hits: list[object]


@dataclass(frozen=True, slots=True)
class RagService(Knowledge):
    """The RAG service protocol. It knows files by their index names, and `Hit.filename` is such a name."""

    client: httpx.AsyncClient
    base_url: str
    blobs: Blobs
    budget_s: float = 3.0
    upload_s: float = 300.0
    delete_s: float = 10.0
    own: bool = False

    @override
    async def index(self, file: StoredFile, told: Progress = untold) -> IndexReport:
        name = _told(file)
        await self.forget(file)  # the same name twice would be found twice
        fields = {} if file.public else {"user_id": str(file.user_id)}
        head, tail, boundary = _multipart(fields, name)

        async def content() -> AsyncIterator[bytes]:
            yield head
            left = file.size
            async for piece in self.blobs.read(file.disk_name):
                left -= len(piece)
                if left >= 0:
                    yield piece
            if left:  # the announced length would be wrong
                raise BadFile("Document cannot be read")
            yield tail

        request = self.client.build_request(
            "POST",
            self._url("admin" if file.public else "user", "upload"),
            content=content(),
            headers={
                "content-type": f"multipart/form-data; boundary={boundary}",
                "content-length": str(len(head) + file.size + len(tail)),
            },
            timeout=patience(self.client, self.upload_s),
        )
        with knowledge_errors():
            try:
                status, body = await whole(self.client, request, within_s=self.upload_s)
            except BlobNotFound as error:
                raise BadFile("Document cannot be read") from error
            if status != 200:
                raise KnowledgeFailed(f"RAG indexing failed: {status}")
            indexed = decoded(body, _Indexed)
            if indexed.chunk_embs_num < 1:
                raise BadAnswer("nothing indexed")
        return IndexReport(
            chunk_embs_num=indexed.chunk_embs_num,
            page_count=_count(indexed.page_count),
            page_embs_num=_count(indexed.page_embs_num),
            page_collection=_name(indexed.page_collection),
            chunk_collection=_name(indexed.chunk_collection),
        )

    @override
    async def find(
        self, question: str, reader: UserId, limit: int = 5, session: SessionId | None = None
    ) -> Sequence[Hit]:
        body = {
            "question": storable(question),
            "user_id": str(reader),
            "personal_k": 3,
            "public_k": 2,
            "final_k": limit,
        }
        request = self.client.build_request(
            "POST", self._url("retriever"), json=body, timeout=patience(self.client, self.budget_s)
        )
        with knowledge_errors():
            status, answer = await whole(self.client, request, within_s=self.budget_s)
            if status == 500:
                return []  # its way to say that there are no documents at all
            if status != 200:
                raise BadAnswer(f"retriever {status}")
            given = decoded(answer, _Hits).hits
            hits = [hit for each in given if (hit := _hit(each))]
            if given and not hits:
                raise BadAnswer("no hit makes sense")
        return sorted(hits, key=lambda hit: -math.inf if hit.score is None else hit.score, reverse=True)[
            :limit
        ]

    @override
    async def forget(self, file: StoredFile) -> Erased:
        owner = None if file.public else file.user_id
        return await forgotten(self.client, self.base_url.rstrip("/"), _told(file), owner, self.delete_s)

    @override
    async def check(self) -> None:
        request = self.client.build_request("GET", self._url("health"))
        with knowledge_errors():  # it has no such route: any answer shows that it is there
            await status_of(self.client, request, within_s=CHECK_S)

    def _url(self, *parts: str) -> str:
        return "/".join((self.base_url.rstrip("/"), *parts))


def _told(file: StoredFile) -> str:
    """The file's index name. The service joins it to a path, a header and a filter expression unchecked, so
    what could mean something there is refused, whoever let it through."""
    name = file.index_name
    if not name or name.startswith(".") or len(name) > NAME_MAX:
        raise BadFile("Invalid filename")
    if any(c in _UNSAFE or unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name):
        raise BadFile("Invalid filename")
    if not file.public and file.user_id is None:
        raise BadFile("Invalid owner")
    return name


def _multipart(fields: dict[str, str], filename: str) -> tuple[bytes, bytes, str]:
    """What goes before and after the file's bytes."""
    boundary = token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode(), boundary


def _hit(raw: object) -> Hit | None:
    """The passage, with every figure checked; None when it has no text or no source."""
    if not isinstance(raw, dict):
        return None
    text, source = raw.get("text"), raw.get("source")
    page, score = raw.get("page_num"), raw.get("final_score")
    if not isinstance(text, str) or not text.strip():
        return None
    if not isinstance(source, str) or not source or len(source) > NAME_MAX:
        return None
    return Hit(
        filename=storable(source),
        page=page if isinstance(page, int) and not isinstance(page, bool) and page > 0 else None,
        text=storable(text[:HIT_MAX]),
        score=_figure(score),
        public=_PUBLIC.get(str(raw.get("knowledge_base"))),
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def _name(value: object) -> str | None:
    return storable(value[:NAME_MAX]) if isinstance(value, str) else None


def _figure(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond any float
        return None
