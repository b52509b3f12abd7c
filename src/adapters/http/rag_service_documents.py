from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import httpx
from msgspec import Struct
from typing_extensions import override

from adapters.http.answers import whole
from adapters.http.client import patience
from adapters.http.decoding import decoded
from adapters.http.errors import BadAnswer, translated
from application.ports.foreign_documents import ForeignDocuments
from application.ports.knowledge import (
    Erased,
    KnowledgeFailed,
    KnowledgeTimeout,
    KnowledgeUnreachable,
)
from domain.text import storable
from domain.user import UserId

LIST_S = 10.0
NAME_MAX = 255

S = TypeVar("S", bound=Struct)


class _Users(Struct):
    users: list[object]


class _Files(Struct):
    files: list[object]


class _Deleted(Struct):
    deleted_page_embs: int
    deleted_chunks: int


@dataclass(frozen=True, slots=True)
class RagServiceDocuments(ForeignDocuments):
    """The lists of the RAG service protocol, and its deletion by name."""

    client: httpx.AsyncClient
    base_url: str
    within_s: float = LIST_S

    @override
    async def users(self) -> Sequence[str]:
        return _names((await self._asked("GET", "api/users", _Users)).users)

    @override
    async def public_names(self) -> Sequence[str]:
        return _names((await self._asked("GET", "api/public_files", _Files)).files)

    @override
    async def forget(self, name: str, owner: UserId | None) -> Erased:
        fields = {"source_name": name} if owner is None else {"source_name": name, "user_id": str(owner)}
        base = "admin" if owner is None else "user"
        deleted = await self._asked("POST", f"{base}/delete", _Deleted, fields)
        return Erased(pages=max(0, deleted.deleted_page_embs), chunks=max(0, deleted.deleted_chunks))

    async def _asked(self, method: str, path: str, kind: type[S], fields: dict[str, str] | None = None) -> S:
        url, timeout = f"{self.base_url}/{path}", patience(self.client, self.within_s)
        request = self.client.build_request(method, url, data=fields, timeout=timeout)
        with _translated():
            status, body = await whole(self.client, request, within_s=self.within_s)
            if status != 200:
                raise BadAnswer(f"{path} {status}")
            return decoded(body, kind)


def _translated() -> AbstractContextManager[None]:
    return translated(
        unreachable=KnowledgeUnreachable,
        timeout=KnowledgeTimeout,
        failed=lambda: KnowledgeFailed("RAG service error: bad response"),
    )


def _names(given: Sequence[object]) -> list[str]:
    """Those that are names at all."""
    return [storable(name) for name in given if isinstance(name, str) and 0 < len(name) <= NAME_MAX]
