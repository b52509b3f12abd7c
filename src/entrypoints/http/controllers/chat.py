"""Chat sessions, their messages, and asking."""

from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Schema

from application.accounts.authenticate import Caller
from application.chat.ask import Ask
from application.chat.open_session import OpenSession
from application.ports.persistence import MessageLine, Reading, SessionLine
from domain.conversation import (
    TITLE_MAX,
    MessageId,
    SessionId,
    SessionNotFound,
    Speaker,
    acceptable_question,
    id_of,
)
from domain.errors import InvalidField
from entrypoints.http.bodies import form_boolean, form_of, json_object, paging, query
from entrypoints.http.documentation import (
    ID,
    Moment,
    clamped,
    errors,
    form_body,
    json_body,
    operation,
    optional_text,
    paged,
    parameter,
    words,
)
from entrypoints.http.event_stream import EventStream, LoginWatch, StreamTimes, begun, frames
from entrypoints.http.policy import USER
from entrypoints.http.stream_events import STREAM_EVENT, STREAM_EXAMPLE
from entrypoints.http.wire import iso

TITLE = optional_text(f"Cut to {TITLE_MAX} characters.", "Untitled")
QUESTION = Schema(type=OpenAPIType.STRING, pattern=r"\S", description="Anything but blanks.")
HISTORY_CAP, MESSAGES_CAP = 1000, 2000
NOT_AUTHORIZED = "Session not found or not authorized."


class Opened(msgspec.Struct):
    session_id: int


class SessionItem(msgspec.Struct):
    id: int
    title: str
    created_at: Moment
    updated_at: Moment
    message_count: int
    is_favorite: bool


class MessageItem(msgspec.Struct, omit_defaults=True):
    """A message. `interrupted` marks an answer that was cut short; `sources` the passages it rests on."""

    role: Speaker = msgspec.field()
    content: str | None = msgspec.field()
    created_at: Moment = msgspec.field()
    file_type: str | None = msgspec.field()
    file_path: str | None = msgspec.field()
    id: int = msgspec.field()
    file_id: int | None = None
    interrupted: bool = False
    sources: list[dict[str, Any]] | None = None


class ChatController(Controller):
    path = "/api"
    tags = ("chat",)
    security = ({"token": []},)

    @post(
        "/chat/new",
        status_code=201,
        opt=USER,
        operation_class=operation(json_body({"title": TITLE})),
        responses=errors(token=True, body=True),
    )
    async def new_session(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        open_session: FromDishka[OpenSession],
    ) -> Opened:
        """Open an empty chat session."""
        title = (await json_object(request)).get("title")
        return Opened(await open_session(caller.account.id, "Untitled" if title is None else title))

    @get(
        "/chat/history",
        opt=USER,
        operation_class=operation(query=paged(HISTORY_CAP, HISTORY_CAP), tells=["X-Total-Count"]),
        responses=errors(token=True),
    )
    async def chat_history(
        self, request: Request[Any, Any, State], caller: FromDishka[Caller], reading: FromDishka[Reading]
    ) -> Response[list[SessionItem]]:
        """The caller's sessions, last used first; `page` and `limit` are clamped, never refused."""
        page, limit = paging(request, HISTORY_CAP, HISTORY_CAP)
        listed = await reading.history(caller.account.id, limit, (page - 1) * limit)
        return Response(
            [_session(line) for line in listed.items], headers={"X-Total-Count": str(listed.total)}
        )

    @get(
        "/message/list",
        opt=USER,
        operation_class=operation(
            query={
                "session_id": parameter(ID, "Whose messages.", required=True),
                "limit": parameter(clamped(MESSAGES_CAP, MESSAGES_CAP), "The last so many."),
                "before_id": parameter(ID, "Only messages older than this one."),
            }
        ),
        responses=errors(404, token=True),
    )
    async def message_list(
        self, request: Request[Any, Any, State], caller: FromDishka[Caller], reading: FromDishka[Reading]
    ) -> list[MessageItem]:
        """The messages of a session of the caller's, oldest first."""
        try:
            session = id_of(query(request, "session_id"), NOT_AUTHORIZED)
            before = id_of(query(request, "before_id"), "Invalid before_id")
        except InvalidField as error:
            raise SessionNotFound(NOT_AUTHORIZED) from error
        if session is None:
            raise SessionNotFound(NOT_AUTHORIZED)
        _, limit = paging(request, MESSAGES_CAP, MESSAGES_CAP)
        lines = await reading.messages(
            caller.account.id, SessionId(session), limit, MessageId(before) if before else None
        )
        if lines is None:
            raise SessionNotFound(NOT_AUTHORIZED)
        return [_message(line) for line in lines]

    @post(
        "/chat/stream",
        status_code=200,
        opt=USER,
        operation_class=operation(
            form_body(
                {
                    "message": QUESTION,
                    "session_id": ID,
                    "use_documents": words("auto", "true", "false", default="auto"),
                },
                ["message"],
            ),
            tells=["X-Session-Id", "X-Message-Id"],
            events=STREAM_EVENT,
        ),
        responses={
            200: ResponseSpec(
                str,
                media_type="text/event-stream",
                examples=[STREAM_EXAMPLE],
                description="`data:` lines with JSON objects, `status` first: sources, streaming, finished, "
                "error, and always last complete. The answer goes on when the reader leaves.",
            ),
            **errors(404, 409, 429, 502, 504, token=True, body=True),
        },
    )
    async def chat_stream(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        ask: FromDishka[Ask],
        times: FromDishka[StreamTimes],
        login: FromDishka[LoginWatch],
    ) -> EventStream:
        """Ask, and read the answer as it is written."""
        async with form_of(request) as form:
            question = acceptable_question(form.text("message"), ask.max_chars)
            session = id_of(form.get("session_id"), "Invalid session ID")
            documents = form.get("use_documents") or "auto"
        wanted = None if documents.strip().lower() == "auto" else form_boolean(documents, "use_documents")
        running = await ask(caller.account.id, question, SessionId(session) if session else None, wanted)
        reply = running.reply
        stream = await begun(frames(running, times))
        if reply.failure is not None and not reply.text:
            await stream.aclose()
            reply.failure.extra["session_id"] = reply.session
            raise reply.failure
        headers = {"X-Session-Id": str(reply.session), "X-Message-Id": str(reply.message)}
        return EventStream(stream, headers, login)


def _session(line: SessionLine) -> SessionItem:
    return SessionItem(
        line.id,
        line.title,
        iso(line.created_at),
        iso(line.updated_at),
        line.message_count,
        line.is_favorite,
    )


def _message(line: MessageLine) -> MessageItem:
    return MessageItem(
        role=Speaker(line.role),
        content=line.content,
        created_at=iso(line.created_at),
        file_type=line.file_type,
        file_path=line.file_path,
        id=line.id,
        file_id=line.file_id,
        interrupted=line.interrupted,
        sources=line.sources,
    )
