"""Who may call a route. Deny by default: an application with a route that names no policy does not start."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from dishka import AsyncContainer
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute

from application.accounts.authenticate import Authenticate, Caller
from application.accounts.refresh import Refresh, Successor
from application.accounts.tickets import RedeemTicket
from application.ports.credentials import Claims
from domain.errors import Forbidden, StorageUnavailable
from domain.user import Role
from entrypoints.http.bodies import query


class Policy(Enum):
    PUBLIC = auto()
    OPTIONAL = auto()  # no token counts as anybody, a bad one is refused
    SIGNED = auto()  # a well-signed, unexpired token, alive or not
    STATUS = auto()  # as POLLING, and answered from the token alone when storage is away
    POLLING = auto()  # any account; not activity
    LEAVING = auto()  # any account; the login session ends here, so its token gets no successor
    READER = auto()  # any account, also by a ticket for this one thing (`scope` in the route's options)
    USER = auto()
    TUTOR = auto()
    ADMIN = auto()


PUBLIC = {"policy": Policy.PUBLIC}
OPTIONAL = {"policy": Policy.OPTIONAL}
SIGNED = {"policy": Policy.SIGNED}
STATUS = {"policy": Policy.STATUS}
POLLING = {"policy": Policy.POLLING}
LEAVING = {"policy": Policy.LEAVING}
USER = {"policy": Policy.USER}
TUTOR = {"policy": Policy.TUTOR}
ADMIN = {"policy": Policy.ADMIN}


def denying(policy: Policy, msg: str) -> dict[str, object]:
    """Whose role is too low is told so in these words."""
    return {"policy": policy, "denied": msg}


def reader(scope: Callable[[Mapping[str, str]], str]) -> dict[str, object]:
    """`scope` names, by the path's parameters, what a ticket must be for."""
    return {"policy": Policy.READER, "scope": scope}


_QUIET = frozenset({Policy.STATUS, Policy.POLLING})


@dataclass(frozen=True, slots=True)
class Roles:
    """What a role may call: the only place where the two are compared."""

    tutors_administer: bool

    def allow(self, role: Role, policy: Policy) -> bool:
        if policy is Policy.ADMIN:
            return role is Role.ADMIN or (self.tutors_administer and role is Role.TUTOR)
        return policy is not Policy.TUTOR or role.teaches


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
    ticket = query(connection, "ticket")
    if policy is Policy.READER and authorization is None and ticket:
        redeem = await container.get(RedeemTicket)
        caller = await redeem(ticket, handler.opt["scope"](connection.path_params))
        connection.state.caller, connection.state.claims = caller, caller.claims
        return
    authenticate = await container.get(Authenticate)
    if policy is Policy.SIGNED:
        connection.state.claims = authenticate.claims(authorization)
        return
    try:
        caller = await authenticate(authorization, active=policy not in _QUIET)
        connection.state.caller, connection.state.claims = caller, caller.claims
        if policy is not Policy.LEAVING:
            await _hand_over(connection, caller, create=policy not in _QUIET)
    except StorageUnavailable:
        if policy is not Policy.STATUS:
            raise
        connection.state.claims = authenticate.claims(authorization)
        return
    if not (await container.get(Roles)).allow(caller.account.role, policy):
        raise Forbidden(handler.opt.get("denied"))


async def _hand_over(
    connection: "ASGIConnection[Any, Any, Any, Any]", caller: Caller, *, create: bool
) -> None:
    """Whatever this request's answer becomes, it carries the successor of its token."""
    container: AsyncContainer = connection.state.dishka_container
    refresh = await container.get(Refresh)
    connection.state.successor = await refresh(caller, create=create)


def caller_of(connection: "ASGIConnection[Any, Any, Any, Any]") -> Caller | None:
    caller: Caller | None = connection.state.get("caller")
    return caller


def successor_of(connection: "ASGIConnection[Any, Any, Any, Any]") -> Successor | None:
    successor: Successor | None = connection.state.get("successor")
    return successor


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
