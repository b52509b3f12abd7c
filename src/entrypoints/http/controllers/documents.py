"""Uploads into a chat, and the list of one's files."""

from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, get, post
from litestar.datastructures import State

from application.accounts.authenticate import Caller
from application.files.check_incoming import Incoming
from application.files.list_files import ListFiles
from application.files.upload_file import UploadFile
from domain.document import IndexState
from domain.errors import MissingField
from entrypoints.http.bodies import form_of, paging
from entrypoints.http.documentation import FILE, ID, Moment, errors, file_body, operation, paged
from entrypoints.http.policy import USER
from entrypoints.http.wire import file_url, iso

FILES_CAP = 1000


class UploadedItem(msgspec.Struct, omit_defaults=True):
    """The file is kept. A document is searchable once `rag_status` is `indexed`."""

    msg: str
    session_id: int
    message_id: int
    file_path: str
    file_type: str
    filename: str
    file_id: int
    rag_indexed: bool | None = None
    rag_status: str | None = None
    rag_error: str | None = None


class FileItem(msgspec.Struct):
    id: int | None
    file_id: int
    filename: str
    file_type: str
    file_path: str
    content: str | None
    created_at: Moment
    session_id: int | None
    size: int
    rag_status: str | None
    file_url: str


class FileList(msgspec.Struct):
    msg: str
    total: int
    files: list[FileItem]


class DocumentsController(Controller):
    path = "/api"
    tags = ("documents",)
    security = ({"token": []},)

    @post(
        "/chat/upload",
        status_code=200,
        opt=USER,
        operation_class=operation(file_body({"file": FILE, "session_id": ID}, ["file"])),
        responses=errors(404, token=True, body=True),
    )
    async def chat_upload(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        upload_file: FromDishka[UploadFile],
    ) -> UploadedItem:
        """Bring a file into a chat session (a new one without `session_id`); documents are indexed."""
        async with form_of(request, {"file": upload_file.welcome}) as form:
            part = form.files.get("file")
            if part is None and "file" in form.fields:
                raise MissingField("No file selected for uploading")
            incoming = Incoming(part.name, part.path, part.size) if part else None
            uploaded = await upload_file(caller.account.id, incoming, form.get("session_id"))
        file = uploaded.file
        return UploadedItem(
            msg="File uploaded successfully",
            session_id=uploaded.session,
            message_id=uploaded.message,
            file_path=file.path,
            file_type=file.kind,
            filename=file.original_name,
            file_id=file.id,
            rag_indexed=None if file.rag_status is None else file.rag_status is IndexState.INDEXED,
            rag_status=file.rag_status,
            rag_error=file.rag_error,
        )

    @get(
        "/user_files",
        opt=USER,
        operation_class=operation(query=paged(FILES_CAP, FILES_CAP)),
        responses=errors(token=True),
    )
    async def user_files(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        list_files: FromDishka[ListFiles],
    ) -> FileList:
        """The caller's files, newest first."""
        page, limit = paging(request, FILES_CAP, FILES_CAP)
        listed = await list_files(caller.account.id, limit, (page - 1) * limit)
        items = [
            FileItem(
                id=line.message_id,
                file_id=line.file_id,
                filename=line.filename,
                file_type=line.file_type,
                file_path=line.file_path,
                content=line.content,
                created_at=iso(line.created_at),
                session_id=line.session_id,
                size=line.size,
                rag_status=line.rag_status,
                file_url=file_url(line.file_id),
            )
            for line in listed.items
        ]
        return FileList("Files retrieved successfully", listed.total, items)
