"""Chat sessions, and what was said in them."""

from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.datastructures import State
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import FromPath

from application.accounts.authenticate import Caller
from application.chat.delete_session import DeleteSession
from application.chat.mark_favorite import MarkFavorite
from application.chat.open_session import OpenSession
from application.chat.rename import RenameSession
from application.chat.search import Match, SearchMessages
from application.ports.persistence import MessageLine, Reading, SessionLine, VersionLine
from domain.conversation import (
    TITLE_MAX,
    MessageId,
    MessageNotFound,
    SessionId,
    SessionNotFound,
    Speaker,
    id_of,
)
from domain.errors import InvalidField
from entrypoints.http.bodies import json_object, paging, path_id, query, query_text
from entrypoints.http.documentation import (
    ID,
    TEXT,
    Moment,
    clamped,
    errors,
    json_body,
    operation,
    optional_text,
    paged,
    parameter,
    path_number,
)
from entrypoints.http.policy import USER
from entrypoints.http.wire import Said, file_url, iso

TITLE = optional_text(f"Cut to {TITLE_MAX} characters.", "Untitled")
FAVORITE = Schema(type=[OpenAPIType.BOOLEAN, OpenAPIType.NULL], default=True)
HISTORY_CAP, MESSAGES_CAP = 1000, 2000
FOUND, FOUND_CAP = 20, 200
NOT_AUTHORIZED = "Session not found or not authorized."
WHICH = {"session_id": path_number("The session.")}


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
    """A message. `file_url` is where the file it brought can be fetched; `interrupted` marks an answer that
    was cut short; `sources` the passages it rests on."""

    role: Speaker = msgspec.field()
    content: str | None = msgspec.field()
    created_at: Moment = msgspec.field()
    file_type: str | None = msgspec.field()
    file_path: str | None = msgspec.field()
    id: int = msgspec.field()
    file_id: int | None = None
    file_url: str | None = None
    interrupted: bool = False
    sources: list[dict[str, Any]] | None = None


class VersionItem(MessageItem, kw_only=True, omit_defaults=True):
    """A version of a message; `thread` is what followed it until it was superseded."""

    current: bool
    thread: list[MessageItem]


class FoundItem(msgspec.Struct):
    session_id: int
    session_title: str
    message_id: int
    role: Speaker
    snippet: str
    created_at: Moment


class Renamed(Said):
    session_id: int
    title: str


class Favorite(Said):
    session_id: int
    is_favorite: bool


class SessionsController(Controller):
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

    @get(
        "/message/{message_id:str}/versions",
        opt=USER,
        operation_class=operation(path={"message_id": path_number("Any version of the message.")}),
        responses=errors(400, 404, token=True),
    )
    async def message_versions(
        self, message_id: FromPath[str], caller: FromDishka[Caller], reading: FromDishka[Reading]
    ) -> list[VersionItem]:
        """Every version of a message, oldest first: what was edited or generated again is kept."""
        id = MessageId(path_id(message_id, MessageNotFound))
        lines = await reading.versions(caller.account.id, id)
        if lines is None:
            raise MessageNotFound
        return [_version(line) for line in lines]

    @get(
        "/chat/search",
        opt=USER,
        operation_class=operation(
            query={
                "q": parameter(TEXT, "What to look for: every word, or the beginning of one."),
                **paged(FOUND, FOUND_CAP),
            },
            tells=["X-Total-Count"],
        ),
        responses=errors(400, 429, token=True),
    )
    async def search_messages(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        search: FromDishka[SearchMessages],
    ) -> Response[list[FoundItem]]:
        """The caller's messages in which something is found, the newest first."""
        page, limit = paging(request, FOUND, FOUND_CAP)
        wanted = query_text(request, "q") or ""
        found = await search(caller.account.id, wanted, limit, (page - 1) * limit)
        return Response([_found(match) for match in found.items], headers={"X-Total-Count": str(found.total)})

    @put(
        "/chat/{session_id:str}",
        opt=USER,
        operation_class=operation(json_body({"title": TEXT}, ["title"]), path=WHICH),
        responses=errors(404, token=True, body=True),
    )
    async def rename_session(
        self,
        request: Request[Any, Any, State],
        session_id: FromPath[str],
        caller: FromDishka[Caller],
        rename: FromDishka[RenameSession],
    ) -> Renamed:
        """Give a session another title."""
        title = (await json_object(request)).get("title")
        id = SessionId(path_id(session_id, SessionNotFound))
        return Renamed("Session renamed", id, await rename(caller.account.id, id, title))

    @post(
        "/chat/{session_id:str}/favorite",
        status_code=200,
        opt=USER,
        operation_class=operation(json_body({"is_favorite": FAVORITE}), path=WHICH),
        responses=errors(404, token=True, body=True),
    )
    async def favorite_session(
        self,
        request: Request[Any, Any, State],
        session_id: FromPath[str],
        caller: FromDishka[Caller],
        mark_favorite: FromDishka[MarkFavorite],
    ) -> Favorite:
        """Make a session a favourite, or no more; any number may be."""
        wanted = (await json_object(request)).get("is_favorite")
        is_favorite = True if wanted is None else wanted
        if not isinstance(is_favorite, bool):
            raise InvalidField("Invalid is_favorite")
        id = SessionId(path_id(session_id, SessionNotFound))
        await mark_favorite(caller.account.id, id, is_favorite)
        return Favorite("Favorite status updated", id, is_favorite)

    @delete(
        "/chat/{session_id:str}",
        status_code=200,
        opt=USER,
        operation_class=operation(path=WHICH),
        responses=errors(400, 404, token=True),
    )
    async def delete_session(
        self, session_id: FromPath[str], caller: FromDishka[Caller], delete_session: FromDishka[DeleteSession]
    ) -> Said:
        """Delete a session with its messages and files; a reply that is being written there is stopped."""
        try:
            id = SessionId(path_id(session_id, SessionNotFound))
            await delete_session(caller.account.id, id)
        except SessionNotFound as refusal:
            raise SessionNotFound(NOT_AUTHORIZED.rstrip(".")) from refusal
        return Said(f"Session {id} deleted")


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
    return MessageItem(**_fields(line))


def _version(version: VersionLine) -> VersionItem:
    thread = [_message(line) for line in version.thread]
    return VersionItem(**_fields(version.line), current=version.current, thread=thread)


def _fields(line: MessageLine) -> dict[str, Any]:
    return {
        "role": Speaker(line.role),
        "content": line.content,
        "created_at": iso(line.created_at),
        "file_type": line.file_type,
        "file_path": line.file_path,
        "id": line.id,
        "file_id": line.file_id,
        "file_url": None if line.file_id is None else file_url(line.file_id),
        "interrupted": line.interrupted,
        "sources": line.sources,
    }


def _found(match: Match) -> FoundItem:
    line = match.line
    return FoundItem(
        session_id=line.session,
        session_title=line.session_title,
        message_id=line.message,
        role=Speaker(line.role),
        snippet=match.snippet,
        created_at=iso(line.created_at),
    )
