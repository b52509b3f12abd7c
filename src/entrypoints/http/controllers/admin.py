"""What administrators look at besides accounts: models, knowledge, and who did what."""

from hashlib import sha256
from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, get
from litestar.datastructures import State

from application.admin.list_knowledge import ForeignDocument, ListKnowledge
from application.admin.list_models import ListedModel, ListModels
from application.ports.administration import (
    ActionFilter,
    Administration,
    KeptAction,
    PublicDocument,
)
from domain.document import IndexState
from entrypoints.http.bodies import AnyRequest, paging, query_text
from entrypoints.http.documentation import (
    TEXT,
    Moment,
    errors,
    operation,
    paged,
    parameter,
)
from entrypoints.http.policy import ADMIN
from entrypoints.http.wire import iso

LINES, LINES_CAP = 20, 200
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
