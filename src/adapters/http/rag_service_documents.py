from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import httpx
from msgspec import Struct
from typing_extensions import override

from adapters.http.answers import whole
from adapters.http.client import patience
from adapters.http.decoding import decoded
from adapters.http.errors import BadAnswer
from adapters.http.knowledge_errors import knowledge_errors
from application.ports.foreign_documents import ForeignDocuments
from application.ports.knowledge import Erased
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
        return _names((await self._asked("api/users", _Users)).users)

    @override
    async def public_names(self) -> Sequence[str]:
        return _names((await self._asked("api/public_files", _Files)).files)

    @override
    async def forget(self, name: str, owner: UserId | None) -> Erased:
        return await forgotten(self.client, self.base_url, name, owner, self.within_s)

    async def _asked(self, path: str, kind: type[S]) -> S:
        url, timeout = f"{self.base_url}/{path}", patience(self.client, self.within_s)
        request = self.client.build_request("GET", url, timeout=timeout)
        return await _answer(self.client, request, kind, self.within_s)


async def forgotten(
    client: httpx.AsyncClient, base_url: str, name: str, owner: UserId | None, within_s: float
) -> Erased:
    """What the service removed that it had under this name, from the owner (None: from the public base)."""
    base = "admin" if owner is None else "user"
    fields = {"source_name": name} | ({} if owner is None else {"user_id": str(owner)})
    timeout = patience(client, within_s)
    request = client.build_request("POST", f"{base_url}/{base}/delete", data=fields, timeout=timeout)
    gone = await _answer(client, request, _Deleted, within_s)
    return Erased(pages=max(0, gone.deleted_page_embs), chunks=max(0, gone.deleted_chunks))


async def _answer(client: httpx.AsyncClient, request: httpx.Request, kind: type[S], within_s: float) -> S:
    with knowledge_errors():
        status, body = await whole(client, request, within_s=within_s)
        if status != 200:
            raise BadAnswer(f"{request.url.path} {status}")
        return decoded(body, kind)


def _names(given: Sequence[object]) -> list[str]:
    """Those that are names at all."""
    return [storable(name) for name in given if isinstance(name, str) and 0 < len(name) <= NAME_MAX]
