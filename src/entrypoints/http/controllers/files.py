"""Files, by number: to have their bytes back, and to delete them."""

from typing import Any
from urllib.parse import quote

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, delete, get
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from application.accounts.authenticate import Caller
from application.files.burying import Deleted
from application.files.delete_file import DeleteFile
from application.files.fetch_file import FetchFile
from application.ports.persistence import Account, FileRecord
from domain.document import FileId, FileKind, FileNotFound
from entrypoints.http.bodies import path_id
from entrypoints.http.documentation import errors, operation, path_number
from entrypoints.http.edge import wants_head
from entrypoints.http.file_stream import FileStream, nothing
from entrypoints.http.policy import USER
from entrypoints.http.ranges import asked_part

WHICH = {"file_id": path_number("The file.")}
TELLS = ["Content-Disposition", "ETag"]
BYTES = {
    200: ResponseSpec(
        bytes,
        media_type="*/*",
        generate_examples=False,
        description="The file, as the type it was found to be.",
    ),
    206: ResponseSpec(
        bytes,
        media_type="*/*",
        generate_examples=False,
        description="The part that `Range` asks for.",
    ),
    304: ResponseSpec(None, generate_examples=False, description="The content that `If-None-Match` names."),
    **errors(400, 404, 412, 416, token=True),
}


class DeletedFile(msgspec.Struct, omit_defaults=True):
    """The file is in no list any more. `index_cleanup`: a store refused to let go of it; a job goes on
    trying."""

    msg: str
    deleted_page_embs: int = msgspec.field()
    deleted_chunks: int = msgspec.field()
    index_cleanup: str | None = None


def deleted_file(deleted: Deleted) -> DeletedFile:
    erased = deleted.erased
    return DeletedFile("File deleted", erased.pages, erased.chunks, "pending" if deleted.pending else None)


class FilesController(Controller):
    path = "/api"
    tags = ("documents",)
    security = ({"token": []},)

    @get(
        "/files/{file_id:str}", opt=USER, operation_class=operation(path=WHICH, tells=TELLS), responses=BYTES
    )
    async def fetch_file(
        self,
        request: Request[Any, Any, State],
        file_id: FromPath[str],
        caller: FromDishka[Caller],
        fetch_file: FromDishka[FetchFile],
    ) -> ASGIResponse:
        """One of the caller's files; a tutor also fetches public documents. `Range`, `If-None-Match`,
        `If-Match` and `If-Range` are heeded."""
        return await _handed_out(request, caller.account, file_id, fetch_file)

    @get(
        "/download/{file_id:str}",
        opt=USER,
        operation_class=operation(path=WHICH, tells=TELLS),
        responses=BYTES,
    )
    async def download(
        self,
        request: Request[Any, Any, State],
        file_id: FromPath[str],
        caller: FromDishka[Caller],
        fetch_file: FromDishka[FetchFile],
    ) -> ASGIResponse:
        """The same under another name."""
        return await _handed_out(request, caller.account, file_id, fetch_file)

    @delete(
        "/files/{file_id:str}",
        status_code=200,
        opt=USER,
        operation_class=operation(path=WHICH),
        responses=errors(400, 404, token=True),
    )
    async def delete_file(
        self, file_id: FromPath[str], caller: FromDishka[Caller], delete_file: FromDishka[DeleteFile]
    ) -> DeletedFile:
        """Delete one of the caller's files; a tutor also deletes public documents."""
        id = FileId(path_id(file_id, FileNotFound))
        return deleted_file(await delete_file(caller.account, id))


async def _handed_out(
    request: Request[Any, Any, State], account: Account, id: str, fetch_file: FetchFile
) -> ASGIResponse:
    file = await fetch_file(account, FileId(path_id(id, FileNotFound)))
    etag = f'"{file.sha256}"'
    headers = _headers(file) | {"ETag": etag}
    part = asked_part(request.headers, file.size, etag)
    if part is None:
        return ASGIResponse(status_code=304, headers=headers)
    if part.asked:
        headers["Content-Range"] = part.content_range
    content = await fetch_file.content(file, part.start, part.length)
    if wants_head(request.scope):
        await content.aclose()
        content = nothing()
    return FileStream(content, part.length, file.mime, headers, 206 if part.asked else 200)


def _headers(file: FileRecord) -> dict[str, str]:
    """Whatever is in it: shown by a browser only if it is a picture, and then without any rights."""
    shown = "inline" if file.kind is FileKind.IMAGE else "attachment"
    return {
        "Content-Disposition": f"{shown}; filename*=UTF-8''{quote(file.name, safe='')}",
        "Content-Security-Policy": "sandbox",
        "Cache-Control": "private",
        "Accept-Ranges": "bytes",
    }
