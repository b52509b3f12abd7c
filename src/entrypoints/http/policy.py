"""Who may call a route. Deny by default: an application with a route that names no policy does not start."""

from collections.abc import Iterable
from enum import Enum, auto
from typing import Any

from dishka import AsyncContainer
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute

from application.accounts.authenticate import Authenticate, Caller
from application.ports.credentials import Claims
from domain.errors import Forbidden, StorageUnavailable
from domain.user import Role


class Policy(Enum):
    PUBLIC = auto()
    OPTIONAL = auto()  # no token counts as anybody, a bad one is refused
    SIGNED = auto()  # a well-signed, unexpired token, alive or not
    POLLING = auto()  # any account; not activity, and answered from the token alone when storage is away
    USER = auto()
    TUTOR = auto()
    ADMIN = auto()


PUBLIC = {"policy": Policy.PUBLIC}
OPTIONAL = {"policy": Policy.OPTIONAL}
SIGNED = {"policy": Policy.SIGNED}
POLLING = {"policy": Policy.POLLING}
USER = {"policy": Policy.USER}

_ROLES = {
    Policy.TUTOR: frozenset({Role.TUTOR, Role.ADMIN}),
    Policy.ADMIN: frozenset({Role.ADMIN}),
}


class RouteWithoutPolicy(Exception):
    """Somebody added a route and did not say who may call it."""


def require_policies(app: Litestar) -> None:
    open_routes = [
        f"{method} {path}" for method, path, policy in policies_of(app) if not isinstance(policy, Policy)
    ]
    if open_routes:
        raise RouteWithoutPolicy(", ".join(sorted(open_routes)))


async def enforce(connection: "ASGIConnection[Any, Any, Any, Any]", handler: BaseRouteHandler) -> None:
    """Before the body is read: leaves the caller (or what his token says) in the request's state."""
    policy: Policy = handler.opt["policy"]
    authorization = connection.headers.get("authorization")
    if policy is Policy.PUBLIC or (policy is Policy.OPTIONAL and authorization is None):
        return
    container: AsyncContainer = connection.state.dishka_container
    authenticate = await container.get(Authenticate)
    if policy is Policy.SIGNED:
        connection.state.claims = authenticate.claims(authorization)
        return
    if policy is Policy.POLLING:
        try:
            caller = await authenticate(authorization, active=False)
        except StorageUnavailable:
            connection.state.claims = authenticate.claims(authorization)
            return
    else:
        caller = await authenticate(authorization)
    _require_role(caller, policy)
    connection.state.caller, connection.state.claims = caller, caller.claims


def _require_role(caller: Caller, policy: Policy) -> None:
    if policy in _ROLES and caller.account.role not in _ROLES[policy]:
        raise Forbidden


def caller_of(connection: "ASGIConnection[Any, Any, Any, Any]") -> Caller | None:
    caller: Caller | None = connection.state.get("caller")
    return caller


def claims_of(connection: "ASGIConnection[Any, Any, Any, Any]") -> Claims:
    claims: Claims = connection.state.claims
    return claims


def policies_of(app: Litestar) -> Iterable[tuple[str, str, Policy | None]]:
    """Method, path and policy of every route: what the documentation and the tests look at."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if method != "OPTIONS":
                    yield method, route.path, handler.opt.get("policy")
