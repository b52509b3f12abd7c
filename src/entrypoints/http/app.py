"""The application: routes, guard, error answers, and the edge around them. It opens nothing by itself."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import cache
from importlib.metadata import version
from typing import Any

from dishka import AsyncContainer
from dishka.integrations.litestar import inject, setup_dishka
from litestar import Controller, Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from domain.errors import DomainError
from entrypoints.http.controllers.accounts import AccountsController
from entrypoints.http.controllers.admin import AdminController
from entrypoints.http.controllers.admin_tutor_requests import AdminTutorRequestsController
from entrypoints.http.controllers.admin_users import AdminUsersController
from entrypoints.http.controllers.avatars import AvatarsController
from entrypoints.http.controllers.catalogue import CatalogueController
from entrypoints.http.controllers.chat import ChatController
from entrypoints.http.controllers.development import DevelopmentController
from entrypoints.http.controllers.documents import DocumentsController
from entrypoints.http.controllers.files import FilesController
from entrypoints.http.controllers.health import HealthController
from entrypoints.http.controllers.indexing import IndexingController
from entrypoints.http.controllers.knowledge import KnowledgeController
from entrypoints.http.controllers.llm import LlmController
from entrypoints.http.controllers.pages import PagesController
from entrypoints.http.controllers.personal_data import PersonalDataController
from entrypoints.http.controllers.profile import ProfileController
from entrypoints.http.controllers.sessions import SessionsController
from entrypoints.http.controllers.webrtc import WebRtcController
from entrypoints.http.documentation import openapi_config
from entrypoints.http.edge import Answered, Edge
from entrypoints.http.errors import refuse, refuse_bug, refuse_framework
from entrypoints.http.policy import PUBLIC, enforce, require_policies

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


@get("/api/openapi.json", opt=PUBLIC, include_in_schema=False)
async def openapi(request: Request[Any, Any, State]) -> Response[dict[str, Any]]:
    """This API, for code generators."""
    return Response(request.app.openapi_schema.to_schema(), media_type="application/json")


@cache
def injected(controller: type[Controller]) -> type[Controller]:
    """Its handlers get from the container what they ask for. Done once and to the class: a DishkaRouter does
    it for every application again, around what it did for those before."""
    for handler in vars(controller).values():
        if isinstance(handler, HTTPRouteHandler):
            handler(inject(handler.fn))
    return controller


def build(container: AsyncContainer, lifespan: Lifespan, *, mailbox: bool) -> Litestar:
    """The routes with everything they need. Raises RouteWithoutPolicy."""
    controllers = [
        AccountsController,
        AdminController,
        AdminTutorRequestsController,
        AdminUsersController,
        AvatarsController,
        CatalogueController,
        ChatController,
        DocumentsController,
        FilesController,
        HealthController,
        KnowledgeController,
        IndexingController,
        LlmController,
        PagesController,
        PersonalDataController,
        ProfileController,
        SessionsController,
        WebRtcController,
        *([DevelopmentController] if mailbox else []),
    ]
    app = Litestar(
        [*map(injected, controllers), openapi],
        guards=[enforce],
        exception_handlers={
            DomainError: refuse,
            HTTPException: refuse_framework,
            Exception: refuse_bug,
        },
        openapi_config=openapi_config(version("virtual-tutor")),
        request_max_body_size=None,  # the edge bounds every body by its route
        logging_config=None,
        lifespan=[lifespan],
    )
    setup_dishka(container, app)
    require_policies(app)
    return app


def at_the_edge(app: Litestar, origins: tuple[str, ...], answered: Answered, body_grace_s: float) -> Edge:
    return Edge(app, origins, answered, body_grace_s)
