"""Refusals to statuses. HTTP knows kinds, never single refusals; every error body is the same JSON object."""

import logging
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR

from domain.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unprocessable,
    UpstreamFailed,
    UpstreamTimeout,
)

log = logging.getLogger(__name__)

STATUS: dict[type[DomainError], int] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    Unprocessable: 422,
    RateLimited: 429,
    DomainError: 500,
    UpstreamFailed: 502,
    Unavailable: 503,
    UpstreamTimeout: 504,
}

# what the framework itself refuses, before or around our handlers
FRAMEWORK = {
    400: ("Bad request", "bad_request"),
    401: ("Missing Authorization Header", "missing_token"),
    403: ("Permission denied", "forbidden"),
    404: ("Resource not found", "not_found"),
    405: ("Method not allowed", "method_not_allowed"),
    413: ("Request body too large", "too_large"),
    415: ("Unsupported media type", "unsupported_media_type"),
}


_WATCHED = {403: "denied", 429: "limit hit"}  # who is told no so often may be up to something


class UnsupportedMediaType(Invalid):
    code = "unsupported_media_type"


class PreconditionFailed(Invalid):
    code = "precondition_failed"
    msg = "The content has changed"


class RangeNotSatisfiable(Invalid):
    code = "range_not_satisfiable"
    msg = "Range not satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__()
        self.headers = {"Content-Range": f"bytes */{size}"}


STATUS |= {UnsupportedMediaType: 415, PreconditionFailed: 412, RangeNotSatisfiable: 416}


class ErrorBody(msgspec.Struct):
    """Every answer that is not a success. `msg` may be shown to the user, `code` is stable."""

    msg: str
    code: str
    request_id: str


def request_id_of(scope: Any) -> str:
    id: str = scope.get("state", {}).get("request_id", "-")
    return id


def body_of(msg: str, code: str, request_id: str, **extra: object) -> dict[str, object]:
    return {"msg": msg, "code": code, "request_id": request_id, **extra}


def refuse(request: Request[Any, Any, Any], error: DomainError) -> Response[dict[str, object]]:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if status >= HTTP_500_INTERNAL_SERVER_ERROR:
        log.warning(
            "refused", extra={"status": status, "error": type(error).__name__, "cause": _cause(error)}
        )
    if event := _WATCHED.get(status):
        log.info(event, extra={"user_id": _user_of(request)})
    headers = dict(getattr(error, "headers", {}))
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    content = body_of(error.msg, error.code, request_id_of(request.scope), **error.extra)
    return Response(content, status_code=status, headers=headers, media_type="application/json")


def _user_of(request: Request[Any, Any, Any]) -> int | None:
    caller = request.scope.get("state", {}).get("caller")
    return caller.account.id if caller else None


def refuse_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, object]]:
    status = error.status_code
    if status not in FRAMEWORK:
        return refuse_bug(request, error)
    msg, code = FRAMEWORK[status]
    content = body_of(msg, code, request_id_of(request.scope))
    if status == 404:
        content["path"] = request.scope.get("state", {}).get("path_as_sent", request.scope["path"])
    return Response(content, status_code=status, headers=_allow(error), media_type="application/json")


def _allow(error: HTTPException) -> dict[str, str]:
    """The methods a route has, in a stable order; HEAD works wherever GET does."""
    named = next((value for name, value in (error.headers or {}).items() if name.lower() == "allow"), "")
    methods = {method.strip() for method in named.split(",") if method.strip()}
    if "GET" in methods:
        methods.add("HEAD")
    return {"Allow": ", ".join(sorted(methods))} if methods else {}


def refuse_bug(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, object]]:
    request_id = request_id_of(request.scope)
    log.error("a bug", exc_info=error)
    content = body_of(DomainError.msg, DomainError.code, request_id)
    return Response(content, status_code=500, media_type="application/json")


def _cause(error: DomainError) -> str:
    cause = error.__cause__
    return type(cause).__name__ if cause else ""
