"""Is the service alive, ready, healthy? (contract 9)"""

from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec

from application.health import CheckHealth, Condition
from application.ports.clock import Clock
from entrypoints.http.documentation import Moment, errors, operation
from entrypoints.http.errors import request_id_of
from entrypoints.http.lifecycle import Lifecycle
from entrypoints.http.policy import OPTIONAL, PUBLIC, Policy, Roles, caller_of
from entrypoints.http.wire import iso

DOWN = "Service temporarily unavailable"


class Health(msgspec.Struct):
    status: str
    service: str
    timestamp: Moment
    database: str
    redis: str


class Unhealthy(msgspec.Struct):
    msg: str
    code: str
    request_id: str
    status: str
    service: str
    timestamp: Moment
    database: str
    redis: str


class Details(msgspec.Struct, omit_defaults=True):
    """`checks` is for admins only."""

    status: str
    service: str
    timestamp: Moment | None = None
    checks: dict[str, str] | None = None


class UnhealthyDetails(Details, kw_only=True, omit_defaults=True):
    msg: str
    code: str
    request_id: str


class Status(msgspec.Struct):
    status: str


class NotReady(msgspec.Struct):
    msg: str
    code: str
    request_id: str
    status: str


class HealthController(Controller):
    path = "/api"
    tags = ("health",)

    @get(
        "/health",
        opt=PUBLIC,
        operation_class=operation(),
        responses={
            200: ResponseSpec(Health, generate_examples=False, description="All is well."),
            503: ResponseSpec(Unhealthy, generate_examples=False, description="A vital part is away."),
        },
    )
    async def health(
        self, request: Request[Any, Any, State], check: FromDishka[CheckHealth], clock: FromDishka[Clock]
    ) -> Response[Health | Unhealthy]:
        """Database and Redis, probed at most once a second."""
        vital = await check.vital()
        state = {
            name: "connected" if vital[name] is Condition.HEALTHY else "disconnected"
            for name in ("database", "redis")
        }
        now = iso(clock.now())
        if "disconnected" not in state.values():
            return Response(Health("healthy", "backend", now, **state))
        id = request_id_of(request.scope)
        sick = Unhealthy(DOWN, "storage_unavailable", id, "unhealthy", "backend", now, **state)
        return Response(sick, status_code=503)

    @get(
        "/health/detailed",
        opt=OPTIONAL,
        operation_class=operation(),
        responses={
            **errors(token=True),
            200: ResponseSpec(Details, generate_examples=False, description="It works."),
            503: ResponseSpec(UnhealthyDetails, generate_examples=False, description="A vital part is away."),
        },
        security=[{}, {"token": []}],
    )
    async def health_detailed(
        self,
        request: Request[Any, Any, State],
        check: FromDishka[CheckHealth],
        clock: FromDishka[Clock],
        roles: FromDishka[Roles],
    ) -> Response[Details | UnhealthyDetails]:
        """Upstreams too; which of them is in what condition is shown to admins only."""
        found = await check()
        broken = any(condition is not Condition.HEALTHY for condition in (await check.vital()).values())
        degraded = any(condition is not Condition.HEALTHY for condition in found.values())
        status = "unhealthy" if broken else "degraded" if degraded else "healthy"
        caller = caller_of(request)
        is_admin = caller is not None and roles.allow(caller.account.role, Policy.ADMIN)
        timestamp = iso(clock.now()) if is_admin else None
        checks = {name: str(condition) for name, condition in found.items()} if is_admin else None
        if not broken:
            return Response(Details(status, "backend", timestamp, checks))
        sick = UnhealthyDetails(
            status=status,
            service="backend",
            timestamp=timestamp,
            checks=checks,
            msg=DOWN,
            code="storage_unavailable",
            request_id=request_id_of(request.scope),
        )
        return Response(sick, status_code=503)

    @get("/health/live", opt=PUBLIC, operation_class=operation())
    async def health_live(self) -> Status:
        """The process answers; nothing else is asked."""
        return Status("alive")

    @get(
        "/health/ready",
        opt=PUBLIC,
        operation_class=operation(),
        responses={
            200: ResponseSpec(Status, generate_examples=False, description="Send them."),
            503: ResponseSpec(NotReady, generate_examples=False, description="Not now."),
        },
    )
    async def health_ready(
        self,
        request: Request[Any, Any, State],
        check: FromDishka[CheckHealth],
        lifecycle: FromDishka[Lifecycle],
    ) -> Response[Status | NotReady]:
        """Whether to send requests here: vital parts, migrations, not draining."""
        reason = await self._not_ready(check, lifecycle)
        if reason is None:
            return Response(Status("ready"))
        code = "shutting_down" if lifecycle.draining else "storage_unavailable"
        return Response(NotReady(reason, code, request_id_of(request.scope), "not_ready"), status_code=503)

    @staticmethod
    async def _not_ready(check: CheckHealth, lifecycle: Lifecycle) -> str | None:
        if lifecycle.draining:
            return "Shutting down"
        vital = await check.vital()
        missing = [name for name, condition in vital.items() if condition is not Condition.HEALTHY]
        if missing:
            return f"Not available: {', '.join(missing)}"
        return None if await lifecycle.migrated() else "The database is not migrated"

    @get("/ping", opt=PUBLIC, media_type=MediaType.TEXT, operation_class=operation())
    async def ping(self) -> str:
        """pong"""
        return "pong"
