"""What is asked of the model server itself."""

from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, post
from litestar.datastructures import State

from application.accounts.authenticate import Caller
from application.admin.activate_model import ActivateModel
from entrypoints.http.bodies import json_object, require, text
from entrypoints.http.documentation import SOME_TEXT, errors, json_body, operation
from entrypoints.http.policy import ADMIN

MISSING = "Missing 'model' in JSON payload"


class Activated(msgspec.Struct):
    status: str
    message: str
    model: str


class LlmController(Controller):
    path = "/api/llm"
    tags = ("administration",)
    security = ({"token": []},)

    @post(
        "/activate",
        status_code=200,
        opt=ADMIN,
        operation_class=operation(json_body({"model": SOME_TEXT}, ["model"])),
        responses=errors(403, 502, 504, token=True, body=True),
    )
    async def activate_model(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        activate_model: FromDishka[ActivateModel],
    ) -> Activated:
        """Have the model server load this model, for everybody, and unload all others. It may take two
        minutes."""
        fields = await json_object(request)
        require(fields, "model", msg=MISSING)
        model = text(fields, "model", MISSING)
        return Activated("success", await activate_model(caller.account, model), model)
