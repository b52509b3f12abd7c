"""How documents become findable, and watching it."""

from contextlib import AsyncExitStack
from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.params import FromPath

from application.accounts.authenticate import Caller
from application.chat.open_ticket import FILES_SCOPE, OpenTicket
from application.indexing.cancel_indexing import CancelIndexing
from application.indexing.reindex_document import ReindexDocument
from application.indexing.standing import Standing, standing
from application.indexing.watch_files import WatchFiles
from application.ports.persistence import Reading
from application.ports.tickets import TICKET_LIFE_S
from domain.document import FileId, FileNotFound
from entrypoints.http.bodies import path_id
from entrypoints.http.controllers.chat import TicketIssued
from entrypoints.http.documentation import TEXT, errors, operation, parameter, path_number
from entrypoints.http.event_stream import EventStream, Logins, watched
from entrypoints.http.policy import POLLING, USER, reader
from entrypoints.http.stream_events import FILE_EVENT, FILE_EVENTS
from entrypoints.http.wire import Said

WHICH = {"file_id": path_number("The file.")}


class FileStatus(msgspec.Struct):
    """How it stands with a file. `progress`, in per cent, while it is `indexing`; `error` of the last try."""

    file_id: int
    filename: str
    status: Standing
    progress: int | None
    rag_status: str | None
    error: str | None


class IndexingCancelled(Said):
    cancelled: bool


class IndexingController(Controller):
    path = "/api/files"
    tags = ("documents",)
    security = ({"token": []},)

    @get(
        "/{file_id:str}/status",
        opt=POLLING,
        operation_class=operation(path=WHICH),
        responses=errors(400, 404, token=True),
    )
    async def file_status(
        self, file_id: FromPath[str], caller: FromDishka[Caller], reading: FromDishka[Reading]
    ) -> FileStatus:
        """How far a document's indexing is."""
        account = caller.account
        id = FileId(path_id(file_id, FileNotFound))
        file = await reading.file_progress(id, account.id, teaches=account.role.teaches)
        if file is None:
            raise FileNotFound
        return FileStatus(id, file.name, standing(file), file.progress, file.rag_status, file.rag_error)

    @post(
        "/{file_id:str}/reindex",
        status_code=200,
        opt=USER,
        operation_class=operation(path=WHICH),
        responses=errors(400, 404, 429, token=True),
    )
    async def reindex_file(
        self, file_id: FromPath[str], caller: FromDishka[Caller], reindex: FromDishka[ReindexDocument]
    ) -> Said:
        """Index a document once more; answers rest on what was indexed before until that is done."""
        await reindex(caller.account, FileId(path_id(file_id, FileNotFound)))
        return Said("Indexing queued")

    @post(
        "/{file_id:str}/cancel",
        status_code=200,
        opt=USER,
        operation_class=operation(path=WHICH),
        responses=errors(400, 404, token=True),
    )
    async def cancel_indexing(
        self, file_id: FromPath[str], caller: FromDishka[Caller], cancel: FromDishka[CancelIndexing]
    ) -> IndexingCancelled:
        """End the indexing of a document; the file stays, and what was indexed of it before."""
        cancelled = await cancel(caller.account, FileId(path_id(file_id, FileNotFound)))
        return IndexingCancelled("Indexing cancelled" if cancelled else "Nothing to cancel", cancelled)

    @post(
        "/events/ticket",
        status_code=200,
        opt=USER,
        operation_class=operation(),
        responses=errors(429, token=True),
    )
    async def files_ticket(
        self, caller: FromDishka[Caller], open_ticket: FromDishka[OpenTicket]
    ) -> TicketIssued:
        """A ticket for watching the caller's files with a browser's `EventSource`, which can send no
        token."""
        return TicketIssued(await open_ticket.for_files(caller.claims), TICKET_LIFE_S)

    @get(
        "/events",
        opt=reader(lambda _: FILES_SCOPE),
        operation_class=operation(
            query={"ticket": parameter(TEXT, "Instead of the token.")}, events=FILE_EVENT
        ),
        responses={200: FILE_EVENTS, **errors(429, token=True)},
    )
    async def file_events(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        watch_files: FromDishka[WatchFiles],
        logins: FromDishka[Logins],
    ) -> EventStream:
        """How it stands with each of the caller's files, then every change, for as long as one listens."""
        async with AsyncExitStack() as stack:
            stack.enter_context(watch_files.audience.admitted(caller.account.id))
            watch = await stack.enter_async_context(watch_files.watch(caller.account.id))
            await stack.enter_async_context(watched(request.receive, watch))
            stack.enter_context(logins.watch(caller.claims, watch.quit))
            return EventStream(watch, stack.pop_all())
        raise AssertionError("unreachable")
