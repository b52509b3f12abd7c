"""What the OpenAPI document says beyond what the framework sees: bodies and queries we read by hand, errors,
headers, streams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIFormat,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
    Tag,
)
from litestar.params import BodyKwarg
from litestar.router import Router
from typing_extensions import override

from domain.conversation import MAX_ID
from domain.user import PASSWORD_MAX, PASSWORD_MIN
from entrypoints.http.errors import ErrorBody
from entrypoints.http.policy import PUBLIC

Moment = Annotated[str, BodyKwarg(format=OpenAPIFormat.DATE_TIME)]

TEXT = Schema(type=OpenAPIType.STRING)
SOME_TEXT = Schema(type=OpenAPIType.STRING, min_length=1)
EMAIL = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.EMAIL, max_length=254)
PASSWORD = Schema(type=OpenAPIType.STRING, min_length=PASSWORD_MIN, max_length=PASSWORD_MAX)
CODE = Schema(type=OpenAPIType.STRING, pattern="^[0-9]{6}$")
ID = Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_ID)
NULLABLE_TEXT = [OpenAPIType.STRING, OpenAPIType.NULL]
FILE = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)


def words(*allowed: str, default: str) -> Schema:
    """One of these, or nothing."""
    return Schema(type=NULLABLE_TEXT, enum=[*allowed, None], default=default)


def optional_text(description: str, default: str) -> Schema:
    return Schema(type=NULLABLE_TEXT, description=description, default=default)


def at_most(length: int) -> Schema:
    """A text of bounded length, or nothing."""
    return Schema(type=NULLABLE_TEXT, max_length=length)


def flag(default: bool) -> Schema:
    return Schema(type=OpenAPIType.BOOLEAN, default=default)


def clamped(default: int, most: int) -> Schema:
    """A number that is brought within its bounds, never refused."""
    return Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=most, default=default)


HEADERS = {
    "X-Request-Id": ("Names this answer in the logs; yours, if it matches `[A-Za-z0-9-]{8,64}`.", TEXT),
    "X-New-Token": ("Use this token from now on; the one you sent ends soon.", TEXT),
    "Retry-After": ("Seconds after which trying again makes sense.", Schema(type=OpenAPIType.INTEGER)),
    "X-Total-Count": ("How many there are on all pages.", Schema(type=OpenAPIType.INTEGER)),
    "X-Session-Id": ("The chat session that the answer belongs to.", ID),
    "X-Message-Id": ("The message that the answer becomes.", ID),
    "Content-Disposition": ("The name of the file.", TEXT),
    "ETag": ("Names the content; for `If-None-Match`, `If-Match` and `If-Range`.", TEXT),
}

_MEANING = {
    400: "Bad input; `msg` says what is wrong.",
    401: "No valid login: the token is missing, expired, revoked, or the account is suspended.",
    403: "The caller's role does not allow this.",
    404: "It does not exist, or belongs to somebody else.",
    409: "It conflicts with what is there.",
    412: "The content is not the one that the request names.",
    413: "The body or the file is too large, or there is no room for it.",
    416: "The file does not reach so far.",
    415: "The body has a content type or an encoding that is not accepted here.",
    422: "The token is malformed.",
    429: "Too often; `Retry-After` says when again.",
    502: "An upstream answered wrongly.",
    503: "Something that is needed cannot be reached, is full or shutting down.",
    504: "An upstream was too slow.",
}
_WITH_TOKEN, _WITH_BODY = frozenset({401, 422}), frozenset({400, 413, 415})
_MAY_SAY_WHEN = frozenset({"429", "503"})


def errors(*statuses: int, token: bool = False, body: bool = False) -> dict[int, ResponseSpec]:
    """The error answers of a route; `token` adds those of every protected one (contract 1.7), `body` those
    of every one that reads a body."""
    every = {*statuses, 503} | (_WITH_TOKEN if token else set()) | (_WITH_BODY if body else set())
    return {
        status: ResponseSpec(ErrorBody, generate_examples=False, description=_MEANING[status])
        for status in sorted(every)
    }


def json_body(fields: Mapping[str, Schema], required: Sequence[str] = ()) -> RequestBody:
    return _body(("application/json",), fields, required)


def form_body(fields: Mapping[str, Schema], required: Sequence[str] = ()) -> RequestBody:
    types = ("multipart/form-data", "application/x-www-form-urlencoded", "application/json")
    return _body(types, fields, required)


def file_body(fields: Mapping[str, Schema], required: Sequence[str] = ()) -> RequestBody:
    return _body(("multipart/form-data",), fields, required)


def _body(types: Sequence[str], fields: Mapping[str, Schema], required: Sequence[str]) -> RequestBody:
    """An object of these fields; unknown ones are ignored."""
    schema = Schema(type=OpenAPIType.OBJECT, properties=dict(fields), required=list(required) or None)
    return RequestBody({kind: OpenAPIMediaType(schema=schema) for kind in types}, required=bool(required))


def parameter(schema: Schema, description: str, *, required: bool = False) -> tuple[Schema, str, bool]:
    return schema, description, required


def path_number(description: str) -> tuple[Schema, str, bool]:
    return parameter(ID, description, required=True)


def paged(default: int, most: int, limit: str = "limit") -> dict[str, tuple[Schema, str, bool]]:
    return {
        "page": parameter(clamped(1, MAX_ID // most), "From 1."),
        limit: parameter(
            clamped(default, most), "How many at most; brought within its bounds, never refused."
        ),
    }


def operation(
    body: RequestBody | None = None,
    *,
    path: Mapping[str, tuple[Schema, str, bool]] | None = None,
    query: Mapping[str, tuple[Schema, str, bool]] | None = None,
    tells: Sequence[str] = (),
    events: Schema | None = None,
) -> type[Operation]:
    """An operation with a body, a path and a query that we read by hand; `tells` names headers of its
    success, whose `events` are a stream. Every query parameter may also be sent as `params[name]`."""

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            self.request_body = body
            self.parameters = [
                Parameter(name, where, schema, description=description, required=required)
                for where, described in (("path", path), ("query", query))
                for name, (schema, description, required) in (described or {}).items()
            ] or None
            responses = self.responses or {}
            for status, response in responses.items():
                if isinstance(response, Reference):
                    continue
                names = ["X-Request-Id", *(tells if status.startswith("2") else ())]
                names += ["X-New-Token"] if "422" in responses else []  # it takes a token
                names += ["Retry-After"] if status in _MAY_SAY_WHEN else []
                response.headers = {name: Reference(f"#/components/headers/{name}") for name in names}
                if events and (stream := (response.content or {}).get("text/event-stream")):
                    stream.schema = events

    return Described


def operation_id(handler: HTTPRouteHandler, *_: object) -> str:
    """The name of the handler, as programs in most languages write it: `send_verification` becomes
    `sendVerification`. Generated clients depend on it."""
    first, *rest = handler.handler_name.split("_")
    return first + "".join(word.title() for word in rest)


class DocsRouter(Router):
    """The documentation's own routes, without the HTML page the framework would answer for unknown ones:
    every error is JSON here."""

    @override
    def register(self, value: Any) -> Any:
        if getattr(getattr(value, "fn", None), "__name__", "") == "handle_schema_path_not_found":
            return []
        return super().register(value)


def openapi_config(version: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Virtual Tutor",
        version=version,
        description=(
            "Log in, upload course material, ask, and read the answer as it is written. "
            "Every error is `{msg, code, request_id}`. Answers are streamed as Server-Sent Events."
        ),
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "token": SecurityScheme(
                    type="http", scheme="bearer", bearer_format="JWT", description="The token of /api/login."
                )
            },
            headers={
                name: OpenAPIHeader(schema=schema, description=description)
                for name, (description, schema) in HEADERS.items()
            },
        ),
        tags=[
            Tag("accounts", "Registration, login, logout."),
            Tag("administration", "Accounts, tutor requests, models, knowledge, and who did what."),
            Tag("avatars", "Whom one sees and hears: the catalogue, and the line to an avatar."),
            Tag("chat", "Sessions, messages, and answers as they are written."),
            Tag("documents", "Files that people bring, and the public knowledge base."),
            Tag("personal data", "A copy of everything, and the end of it."),
            Tag("profile", "What people show of themselves, and what they are told."),
            Tag("health", "Is the service alive, ready, healthy?"),
        ],
        operation_id_creator=operation_id,
        render_plugins=[
            SwaggerRenderPlugin(
                js_url="/assets/docs/swagger-ui-bundle.js",
                css_url="/assets/docs/swagger-ui.css",
                standalone_preset_js_url="/assets/docs/swagger-ui-bundle.js",
                favicon='<link rel="icon" href="/assets/docs/favicon-32x32.png">',
            )
        ],
        openapi_router=DocsRouter("/api/docs", route_handlers=[], include_in_schema=False, opt=dict(PUBLIC)),
    )
