"""Asking, and following the answers."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, MediaType, Request, get, post
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from litestar.types import Receive

from application.accounts.authenticate import Caller
from application.chat import events
from application.chat.ask import Asked
from application.chat.ask_once import AskOnce, acceptable_key
from application.chat.audience import Audience
from application.chat.edit import Edited, EditQuestion
from application.chat.feed import Feed, Reader
from application.chat.follow import FollowReply, NothingLeft, Place
from application.chat.open_ticket import OpenTicket, reply_scope
from application.chat.regenerate import Regenerate
from application.chat.running import RunningReply
from application.chat.stop import StopReply
from application.ports.language_model import ModelSilent
from application.ports.tickets import TICKET_LIFE_S
from domain.conversation import (
    MessageId,
    MessageNotFound,
    SessionId,
    SessionNotFound,
    acceptable_question,
    id_of,
)
from domain.errors import Invalid, ShuttingDown
from entrypoints.http.bodies import ClientLeft, Form, form_boolean, form_of, path_id, query
from entrypoints.http.documentation import (
    ID,
    TEXT,
    at_most,
    errors,
    form_body,
    operation,
    parameter,
    path_number,
    words,
)
from entrypoints.http.event_stream import EventStream, Logins, StreamTimes, watched
from entrypoints.http.policy import USER, reader
from entrypoints.http.stream_events import STREAM, STREAM_EVENT

QUESTION = Schema(type=OpenAPIType.STRING, pattern=r"\S", description="Anything but blanks.")
DOCUMENTS = words("auto", "true", "false", default="auto")
ASKING = {
    "message": QUESTION,
    "session_id": ID,
    "use_documents": DOCUMENTS,
    "client_request_id": at_most(128),
}
TELLS = ["X-Session-Id", "X-Message-Id"]


class Answered(msgspec.Struct, omit_defaults=True):
    """An answer in one piece. `interrupted`: it was cut short. `rtc_session_id`: of the avatar that speaks
    it, 0 where none does."""

    rtc_session_id: int = msgspec.field()
    text_input: str = msgspec.field()
    text_output: str = msgspec.field()
    session_id: int = msgspec.field()
    message_id: int = msgspec.field()
    interrupted: bool = False


class Stopped(msgspec.Struct):
    """Whether a reply was stopped, which one, and after how long the model's connection was closed."""

    msg: str
    session_id: int
    message_id: int | None
    stopped: bool
    upstream_closed_ms: int | None


class TicketIssued(msgspec.Struct):
    ticket: str
    expires_in_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How a reply becomes an answer to a request."""

    audience: Audience
    logins: Logins
    times: StreamTimes

    async def stream(
        self,
        following: AbstractAsyncContextManager[Place],
        caller: Caller,
        receive: Receive,
        *,
        hold: bool = True,
    ) -> EventStream:
        """The status line is held until the answer begins, so that a failure until then is a real one."""
        async with AsyncExitStack() as stack:
            seat = await self._seat(stack, following, caller, receive)
            feed = seat.feed
            if hold:
                await self._begun(seat)
            stack.enter_context(self.logins.watch(caller.claims, seat.quit))
            headers = {"X-Session-Id": str(feed.session), "X-Message-Id": str(feed.message)}
            if feed.times is not None:
                ours, upstream = (round(seconds * 1000, 1) for seconds in feed.times)
                headers["Server-Timing"] = f"ours;dur={ours}, llm;dur={upstream}"
            return EventStream(seat, stack.pop_all(), headers, partial(self._relayed, feed))
        raise AssertionError("unreachable")

    async def whole(
        self,
        following: AbstractAsyncContextManager[Place],
        caller: Caller,
        receive: Receive,
        question: str,
    ) -> Answered:
        """The answer once it has ended."""
        async with AsyncExitStack() as stack:
            seat = await self._seat(stack, following, caller, receive)
            feed = seat.feed
            while not seat.finished:
                await seat.next()
            if seat.left:
                raise ClientLeft
            if not events.is_over(feed.log):  # another worker's reply: it goes on there, without us
                raise ShuttingDown(session_id=feed.session)
            text, interrupted = events.outcome(feed.log)
            if feed.failure is not None or (interrupted and not text):
                refusal = feed.failure or ModelSilent()
                refusal.extra["session_id"] = feed.session
                raise refusal
            return Answered(0, question, text, feed.session, feed.message, interrupted)
        raise AssertionError("unreachable")

    async def _seat(
        self,
        stack: AsyncExitStack,
        following: AbstractAsyncContextManager[Place],
        caller: Caller,
        receive: Receive,
    ) -> Reader:
        stack.enter_context(self.audience.admitted(caller.account.id))  # before anything is asked
        place = await stack.enter_async_context(following)
        seat = stack.enter_context(self.audience.seat(place.feed, place.after))
        await stack.enter_async_context(watched(receive, seat))
        return seat

    def _relayed(self, feed: Feed) -> None:
        self.audience.metrics.relayed(time.monotonic() - feed.said_at)

    async def _begun(self, seat: Reader) -> None:
        await seat.begun(self.times.hold_s)
        if seat.feed.failure is not None:
            seat.feed.failure.extra["session_id"] = seat.feed.session
            raise seat.feed.failure


def _this_reply(path: Mapping[str, str]) -> str:
    return reply_scope(MessageId(path_id(path["message_id"], MessageNotFound)))


class ChatController(Controller):
    path = "/api"
    tags = ("chat",)
    security = ({"token": []},)

    @post(
        "/chat/stream",
        status_code=200,
        opt=USER,
        operation_class=operation(form_body(ASKING, ["message"]), tells=TELLS, events=STREAM_EVENT),
        responses={200: STREAM, **errors(404, 409, 429, 502, 504, token=True, body=True)},
    )
    async def chat_stream(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        ask_once: FromDishka[AskOnce],
        streaming: FromDishka[Streaming],
    ) -> EventStream:
        """Ask, and read the answer as it is written. The answer goes on when the reader leaves."""
        asked, key = await _asked(request, caller, ask_once, goes_on=False)
        return await streaming.stream(ask_once(asked, key), caller, request.receive)

    @post(
        "/chat",
        status_code=200,
        opt=USER,
        operation_class=operation(form_body(ASKING, ["message"]), tells=TELLS),
        responses={
            200: ResponseSpec(
                Answered,
                description="The whole answer; with `Accept: text/event-stream` the events of /chat/stream.",
            ),
            **errors(404, 409, 429, 502, 504, token=True, body=True),
        },
    )
    async def chat(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        ask_once: FromDishka[AskOnce],
        streaming: FromDishka[Streaming],
    ) -> ASGIResponse:
        """Ask in the session used last, or a new one; the answer comes in one piece, or as a stream."""
        asked, key = await _asked(request, caller, ask_once, goes_on=True)
        if "text/event-stream" in request.headers.get("accept", "").lower():
            return await streaming.stream(ask_once(asked, key), caller, request.receive)
        answered = await streaming.whole(ask_once(asked, key), caller, request.receive, asked.text or "")
        return ASGIResponse(body=msgspec.json.encode(answered), media_type=MediaType.JSON)

    @get(
        "/chat/stream/{message_id:str}",
        opt=reader(_this_reply),
        operation_class=operation(
            query={
                "last_event_id": parameter(TEXT, "What a client saw last, if it cannot send the header."),
                "ticket": parameter(TEXT, "Instead of the token."),
            },
            path={"message_id": path_number("Whose reply.")},
            tells=TELLS,
            events=STREAM_EVENT,
        ),
        responses={
            200: STREAM,
            204: ResponseSpec(None, description="The last event was already seen."),
            **errors(400, 404, token=True),
        },
    )
    async def resume(
        self,
        request: Request[Any, Any, State],
        message_id: FromPath[str],
        caller: FromDishka[Caller],
        follow: FromDishka[FollowReply],
        streaming: FromDishka[Streaming],
    ) -> ASGIResponse:
        """Follow an answer again, after the event named by `Last-Event-ID` or from the start; from any
        worker, live or finished."""
        message = MessageId(path_id(message_id, MessageNotFound))
        after = _seen(request.headers.get("last-event-id") or query(request, "last_event_id"), message)
        try:
            return await streaming.stream(
                follow(caller.account.id, message, after), caller, request.receive, hold=False
            )
        except NothingLeft:
            return ASGIResponse(status_code=204)

    @post(
        "/chat/stream/{message_id:str}/ticket",
        status_code=200,
        opt=USER,
        operation_class=operation(path={"message_id": path_number("Whose reply.")}),
        responses=errors(400, 404, 429, token=True),
    )
    async def ticket(
        self, message_id: FromPath[str], caller: FromDishka[Caller], open_ticket: FromDishka[OpenTicket]
    ) -> TicketIssued:
        """A ticket for following this answer with a browser's `EventSource`, which can send no token."""
        message = MessageId(path_id(message_id, MessageNotFound))
        return TicketIssued(await open_ticket(caller.claims, message), TICKET_LIFE_S)

    @post(
        "/chat/{session_id:str}/stop",
        status_code=200,
        opt=USER,
        operation_class=operation(path={"session_id": path_number("Whose reply.")}),
        responses=errors(400, 404, token=True),
    )
    async def stop(
        self, session_id: FromPath[str], caller: FromDishka[Caller], stop_reply: FromDishka[StopReply]
    ) -> Stopped:
        """End the running answer; what was said is kept."""
        session = SessionId(path_id(session_id, SessionNotFound))
        ended = await stop_reply(caller.account.id, session)
        return Stopped("Stopped", session, ended.message, ended.message is not None, ended.upstream_closed_ms)

    @post(
        "/chat/{session_id:str}/regenerate",
        status_code=200,
        opt=USER,
        operation_class=operation(
            form_body({"use_documents": DOCUMENTS}),
            path={"session_id": path_number("Whose last question.")},
            tells=TELLS,
            events=STREAM_EVENT,
        ),
        responses={200: STREAM, **errors(404, 409, 429, 502, 504, token=True, body=True)},
    )
    async def regenerate(
        self,
        request: Request[Any, Any, State],
        session_id: FromPath[str],
        caller: FromDishka[Caller],
        regenerate: FromDishka[Regenerate],
        streaming: FromDishka[Streaming],
    ) -> EventStream:
        """Answer the last question again; the earlier answer is kept as a version."""
        session = SessionId(path_id(session_id, SessionNotFound))
        async with form_of(request) as form:
            documents = _documents(form)
        again = partial(regenerate, caller.account.id, session, documents)
        return await streaming.stream(_starting(again), caller, request.receive)

    @post(
        "/chat/{session_id:str}/messages/{message_id:str}/edit",
        status_code=200,
        opt=USER,
        operation_class=operation(
            form_body({"message": QUESTION, "use_documents": DOCUMENTS}, ["message"]),
            path={
                "session_id": path_number("Whose question."),
                "message_id": path_number("The question."),
            },
            tells=TELLS,
            events=STREAM_EVENT,
        ),
        responses={200: STREAM, **errors(404, 409, 429, 502, 504, token=True, body=True)},
    )
    async def edit(
        self,
        request: Request[Any, Any, State],
        session_id: FromPath[str],
        message_id: FromPath[str],
        caller: FromDishka[Caller],
        edit_question: FromDishka[EditQuestion],
        streaming: FromDishka[Streaming],
    ) -> EventStream:
        """Change a question and have it answered anew; what followed it is kept as an earlier version."""
        session = SessionId(path_id(session_id, SessionNotFound))
        message = MessageId(path_id(message_id, MessageNotFound))
        async with form_of(request) as form:
            text = acceptable_question(form.text("message"), edit_question.max_chars)
            documents = _documents(form)
        edited = Edited(
            user=caller.account.id, session=session, message=message, text=text, use_documents=documents
        )
        return await streaming.stream(_starting(partial(edit_question, edited)), caller, request.receive)


async def _asked(
    request: Request[Any, Any, State], caller: Caller, ask_once: AskOnce, *, goes_on: bool
) -> tuple[Asked, str | None]:
    """What is asked, and the key it is asked under; the header's counts."""
    async with form_of(request) as form:
        text = acceptable_question(form.text("message"), ask_once.ask.max_chars)
        session = id_of(form.get("session_id"), "Invalid session ID")
        documents = _documents(form)
        key = request.headers.get("idempotency-key") or form.get("client_request_id")
    asked = Asked(
        user=caller.account.id,
        text=text,
        session=SessionId(session) if session else None,
        use_documents=documents,
        goes_on=goes_on,
    )
    return asked, acceptable_key(key)


def _documents(form: Form) -> bool | None:
    wanted = form.get("use_documents") or "auto"
    return None if wanted.strip().lower() == "auto" else form_boolean(wanted, "use_documents")


@asynccontextmanager
async def _starting(begin: Callable[[], Awaitable[RunningReply]]) -> AsyncIterator[Place]:
    yield Place((await begin()).feed, 0)


def _seen(last_event_id: str | None, message: MessageId) -> int | None:
    """The number of the event that a client saw last."""
    if not last_event_id:
        return None
    head, _, number = last_event_id.strip().rpartition("-")
    if head != str(message) or not number.isascii() or not number.isdigit() or len(number) > 12:
        raise Invalid("Invalid Last-Event-ID")
    return int(number)
