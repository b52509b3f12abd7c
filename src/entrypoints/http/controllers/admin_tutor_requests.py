"""Who wants to be a tutor, and what administrators say to it."""

from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import FromPath

from application.accounts.authenticate import Caller
from application.admin.decide_tutor_request import DecideTutorRequest
from application.ports.administration import Administration, RequestLine
from domain.errors import InvalidField
from domain.tutor_request import (
    REASON_MAX,
    RequestStatus,
    TutorRequestId,
    TutorRequestNotFound,
    acceptable_reason,
)
from entrypoints.http.bodies import AnyRequest, json_object, paging, path_id, query_text, text
from entrypoints.http.controllers.admin_users import shown_id
from entrypoints.http.documentation import (
    Moment,
    at_most,
    errors,
    json_body,
    operation,
    paged,
    parameter,
    path_number,
)
from entrypoints.http.policy import ADMIN
from entrypoints.http.wire import Said, iso

LINES, LINES_CAP = 20, 200
ALL = "all"
WHICH = {"tutor_request": path_number("The tutor request.")}
REASON = {"reason": at_most(REASON_MAX)}


class RequestItem(msgspec.Struct):
    id: int
    user_id: str
    email: str
    username: str
    reason: str
    status: str
    created_at: Moment
    decided_at: Moment | None
    decided_by: str | None


class RequestList(msgspec.Struct):
    requests: list[RequestItem]
    total: int
    page: int
    limit: int


class AdminTutorRequestsController(Controller):
    path = "/api/admin/tutor_requests"
    tags = ("administration",)
    security = ({"token": []},)

    @get(
        "/",
        opt=ADMIN,
        operation_class=operation(
            query={
                **paged(LINES, LINES_CAP),
                "status": parameter(
                    Schema(
                        type=OpenAPIType.STRING, enum=[*RequestStatus, ALL], default=RequestStatus.PENDING
                    ),
                    "Which.",
                ),
            }
        ),
        responses=errors(400, 403, token=True),
    )
    async def tutor_requests(
        self, request: Request[Any, Any, State], administration: FromDishka[Administration]
    ) -> RequestList:
        """Who wants to be a tutor, the newest first."""
        page, limit = paging(request, LINES, LINES_CAP)
        listed = await administration.tutor_requests(_status(request), limit, (page - 1) * limit)
        return RequestList([_request(line) for line in listed.items], listed.total, page, limit)

    @post(
        "/{tutor_request:str}/approve",
        status_code=200,
        opt=ADMIN,
        operation_class=operation(json_body(REASON), path=WHICH),
        responses=errors(403, 404, 409, token=True, body=True),
    )
    async def approve_tutor_request(
        self,
        request: Request[Any, Any, State],
        tutor_request: FromPath[str],
        caller: FromDishka[Caller],
        decide: FromDishka[DecideTutorRequest],
    ) -> Said:
        """Make the student a tutor; he reads the reason."""
        await _decide(request, tutor_request, caller, decide, RequestStatus.APPROVED)
        return Said("Tutor request approved")

    @post(
        "/{tutor_request:str}/reject",
        status_code=200,
        opt=ADMIN,
        operation_class=operation(json_body(REASON), path=WHICH),
        responses=errors(403, 404, 409, token=True, body=True),
    )
    async def reject_tutor_request(
        self,
        request: Request[Any, Any, State],
        tutor_request: FromPath[str],
        caller: FromDishka[Caller],
        decide: FromDishka[DecideTutorRequest],
    ) -> Said:
        """Leave the student a student; he reads the reason."""
        await _decide(request, tutor_request, caller, decide, RequestStatus.REJECTED)
        return Said("Tutor request rejected")


async def _decide(
    request: AnyRequest, number: str, caller: Caller, decide: DecideTutorRequest, status: RequestStatus
) -> None:
    id = TutorRequestId(path_id(number, TutorRequestNotFound))
    reason = acceptable_reason(text(await json_object(request), "reason"))
    await decide(caller.account, id, status, reason)


def _status(request: AnyRequest) -> RequestStatus | None:
    wanted = query_text(request, "status") or RequestStatus.PENDING
    if wanted == ALL:
        return None
    try:
        return RequestStatus(wanted)
    except ValueError as error:
        raise InvalidField("Invalid status") from error


def _request(line: RequestLine) -> RequestItem:
    return RequestItem(
        id=line.id,
        user_id=shown_id(line.user_id),
        email=line.email,
        username=line.username,
        reason=line.reason,
        status=line.status,
        created_at=iso(line.created_at),
        decided_at=iso(line.decided_at) if line.decided_at else None,
        decided_by=line.decided_by,
    )
