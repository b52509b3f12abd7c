"""What administrators look at and decide, apart from the accounts themselves."""

from hashlib import sha256
from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import FromPath

from application.accounts.authenticate import Caller
from application.admin.decide_tutor_request import DecideTutorRequest
from application.admin.list_knowledge import ForeignDocument, ListKnowledge
from application.admin.list_models import ListedModel, ListModels
from application.ports.administration import (
    ActionFilter,
    Administration,
    KeptAction,
    PublicDocument,
    RequestLine,
)
from domain.document import IndexState
from domain.errors import InvalidField
from domain.tutor_request import (
    REASON_MAX,
    RequestStatus,
    TutorRequestId,
    TutorRequestNotFound,
    acceptable_reason,
)
from entrypoints.http.bodies import AnyRequest, json_object, paging, path_id, query_text, text
from entrypoints.http.controllers.admin_users import user_id
from entrypoints.http.documentation import (
    TEXT,
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
WHICH = {"request_number": path_number("The tutor request.")}
SHOWN = {
    IndexState.INDEXED: ("Active", "green"),
    IndexState.PENDING: ("Processing", "blue"),
    IndexState.FAILED: ("Failed", "red"),
}


class ModelItem(msgspec.Struct):
    """A model. `selected`: it is the one that is asked; `Active`: and it can be asked now."""

    id: str
    name: str
    type: str
    status: str
    version: str
    owner: str
    created_at: Moment | None
    selected: bool


class ModelList(msgspec.Struct):
    models: list[ModelItem]
    total: int
    page: int
    limit: int


class KnowledgeItem(msgspec.Struct):
    """A public document. `selected`: answers may rest on it. `created_at` is null for one that a RAG service
    has from somebody else."""

    id: str
    name: str
    type: str
    status: str
    tag_color: str
    selected: bool
    created_at: Moment | None


class KnowledgeList(msgspec.Struct):
    knowledge: list[KnowledgeItem]
    total: int
    page: int
    limit: int


class ActionItem(msgspec.Struct):
    id: int
    operator_email: str
    action: str
    target_user_id: int
    target_user_email: str | None
    reason: str | None
    details: dict[str, Any] | None
    timestamp: Moment


class ActionList(msgspec.Struct):
    total: int
    page: int
    per_page: int
    logs: list[ActionItem]


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


class AdminController(Controller):
    path = "/api/admin"
    tags = ("administration",)
    security = ({"token": []},)

    @get(
        "/models",
        opt=ADMIN,
        operation_class=operation(query=paged(LINES, LINES_CAP)),
        responses=errors(403, token=True),
    )
    async def models(
        self, request: Request[Any, Any, State], list_models: FromDishka[ListModels]
    ) -> ModelList:
        """The language models: what the model server lists, else what is configured."""
        page, limit = paging(request, LINES, LINES_CAP)
        found = await list_models()
        begin = (page - 1) * limit
        items = [_model(n, one) for n, one in enumerate(found, 1)][begin : begin + limit]
        return ModelList(items, len(found), page, limit)

    @get(
        "/knowledge",
        opt=ADMIN,
        operation_class=operation(query=paged(LINES, LINES_CAP)),
        responses=errors(403, token=True),
    )
    async def knowledge(
        self, request: Request[Any, Any, State], list_knowledge: FromDishka[ListKnowledge]
    ) -> KnowledgeList:
        """The public knowledge base, the newest first."""
        page, limit = paging(request, LINES, LINES_CAP)
        listed = await list_knowledge(limit, (page - 1) * limit)
        return KnowledgeList([_document(one) for one in listed.items], listed.total, page, limit)

    @get(
        "/user-action-logs",
        opt=ADMIN,
        operation_class=operation(
            query={
                **paged(LINES, LINES_CAP, "per_page"),
                "operator_email": parameter(TEXT, "Only what this address did."),
                "target_user_email": parameter(TEXT, "Only what was done to this address."),
                "action": parameter(TEXT, "Only this: `create`, `update`, `delete`, `login`, `logout` …"),
            }
        ),
        responses=errors(400, 403, token=True),
    )
    async def action_log(
        self, request: Request[Any, Any, State], administration: FromDishka[Administration]
    ) -> ActionList:
        """Who did what to whom, the newest first. Details of an update are `[old, new]`."""
        page, per_page = paging(request, LINES, LINES_CAP, "per_page")
        wanted = ActionFilter(
            operator_email=_address(request, "operator_email"),
            target_user_email=_address(request, "target_user_email"),
            action=query_text(request, "action"),
        )
        listed = await administration.actions(wanted, per_page, (page - 1) * per_page)
        return ActionList(listed.total, page, per_page, [_action(kept) for kept in listed.items])

    @get(
        "/tutor_requests",
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
        "/tutor_requests/{request_number:str}/approve",
        status_code=200,
        opt=ADMIN,
        operation_class=operation(json_body({"reason": at_most(REASON_MAX)}), path=WHICH),
        responses=errors(403, 404, 409, token=True, body=True),
    )
    async def approve_tutor_request(
        self,
        request: Request[Any, Any, State],
        request_number: FromPath[str],
        caller: FromDishka[Caller],
        decide: FromDishka[DecideTutorRequest],
    ) -> Said:
        """Make the student a tutor; he reads the reason."""
        await _decide(request, request_number, caller, decide, RequestStatus.APPROVED)
        return Said("Tutor request approved")

    @post(
        "/tutor_requests/{request_number:str}/reject",
        status_code=200,
        opt=ADMIN,
        operation_class=operation(json_body({"reason": at_most(REASON_MAX)}), path=WHICH),
        responses=errors(403, 404, 409, token=True, body=True),
    )
    async def reject_tutor_request(
        self,
        request: Request[Any, Any, State],
        request_number: FromPath[str],
        caller: FromDishka[Caller],
        decide: FromDishka[DecideTutorRequest],
    ) -> Said:
        """Leave the student a student; he reads the reason."""
        await _decide(request, request_number, caller, decide, RequestStatus.REJECTED)
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


def _address(request: AnyRequest, name: str) -> str | None:
    """As addresses stand in the log."""
    address = query_text(request, name)
    return address.strip().lower() if address else None


def _model(number: int, one: ListedModel) -> ModelItem:
    model = one.model
    return ModelItem(
        id=f"M{number:03}",
        name=model.name,
        type="LLM",
        status="Active" if one.answers else "Inactive",
        version=model.version,
        owner=model.owner,
        created_at=iso(model.created_at) if model.created_at else None,
        selected=one.selected,
    )


def _document(one: PublicDocument | ForeignDocument) -> KnowledgeItem:
    kind = one.name.rpartition(".")[2].upper() if "." in one.name else ""
    if isinstance(one, ForeignDocument):
        name_mark = sha256(one.name.encode()).hexdigest()[:8]  # it has no number here
        status, color = SHOWN[IndexState.INDEXED]
        return KnowledgeItem(f"K-{name_mark}", one.name, kind, status, color, selected=True, created_at=None)
    status, color = SHOWN[one.status or IndexState.PENDING]
    return KnowledgeItem(
        id=f"K{one.id:03}",
        name=one.name,
        type=kind,
        status=status,
        tag_color=color,
        selected=one.status is IndexState.INDEXED,
        created_at=iso(one.created_at),
    )


def _action(kept: KeptAction) -> ActionItem:
    line = kept.line
    return ActionItem(
        id=kept.id,
        operator_email=line.operator_email,
        action=line.action,
        target_user_id=line.target_user_id,
        target_user_email=line.target_user_email,
        reason=line.reason,
        details=line.details,
        timestamp=iso(line.timestamp),
    )


def _request(line: RequestLine) -> RequestItem:
    return RequestItem(
        id=line.id,
        user_id=user_id(line.user_id),
        email=line.email,
        username=line.username,
        reason=line.reason,
        status=line.status,
        created_at=iso(line.created_at),
        decided_at=iso(line.decided_at) if line.decided_at else None,
        decided_by=line.decided_by,
    )
