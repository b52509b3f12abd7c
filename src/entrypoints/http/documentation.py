"""What the OpenAPI document says beyond what the framework sees: bodies we read by hand, errors, streams."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.router import Router
from typing_extensions import override

from entrypoints.http.errors import ErrorBody
from entrypoints.http.policy import PUBLIC

Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]

TEXT = Schema(type=OpenAPIType.STRING)
EMAIL = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.EMAIL, max_length=254)
PASSWORD = Schema(type=OpenAPIType.STRING, min_length=8, max_length=128)
CODE = Schema(type=OpenAPIType.STRING, pattern="^[0-9]{6}$")
ID = Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=2**63 - 1)
FILE = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)

JSON = ("application/json",)
FORM = ("multipart/form-data", "application/x-www-form-urlencoded", "application/json")
MULTIPART = ("multipart/form-data",)

_MEANING = {
    400: "Bad input; `msg` says what is wrong.",
    401: "No valid login: the token is missing, expired, revoked, or the account is suspended.",
    403: "The caller's role does not allow this.",
    404: "It does not exist, or belongs to somebody else.",
    405: "The route does not have this method.",
    409: "It conflicts with what is there.",
    413: "The body or the file is too large.",
    415: "The body has a content type that is not accepted here.",
    422: "The token is malformed.",
    429: "Too often; `Retry-After` says when again.",
    500: "A bug of ours, logged under `request_id`.",
    502: "An upstream answered wrongly.",
    503: "Something that is needed cannot be reached, is full or shutting down.",
    504: "An upstream was too slow.",
}


def errors(*statuses: int, token: bool = False) -> dict[int, ResponseSpec]:
    """The error answers of a route; `token` adds those of every protected route (contract 1.7)."""
    every: Iterable[int] = {*statuses, 400, 413, 415, 503, *((401, 422) if token else ())}
    return {
        status: ResponseSpec(ErrorBody, generate_examples=False, description=_MEANING[status])
        for status in sorted(every)
    }


def body(
    content_types: tuple[str, ...], fields: dict[str, Schema], required: tuple[str, ...] = ()
) -> type[Operation]:
    """An operation whose body is an object of these fields; unknown ones are ignored."""

    @dataclass
    class WithBody(Operation):
        def __post_init__(self) -> None:
            schema = Schema(
                type=OpenAPIType.OBJECT,
                properties=dict(fields),
                required=list(required) or None,
            )
            self.request_body = RequestBody(
                {kind: OpenAPIMediaType(schema=schema) for kind in content_types}, required=bool(required)
            )

    return WithBody


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
            }
        ),
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
