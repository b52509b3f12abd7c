"""What is known about oneself: to have a copy of it, and to have it erased."""

from collections.abc import AsyncGenerator
from typing import Any, Literal

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, delete, get
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from application.accounts.authenticate import Caller
from application.accounts.delete_account import DeleteAccount
from application.personal_data.ask_for_export import AskForExport
from application.personal_data.fetch_export import FetchExport
from domain.export import KEPT, Export, ExportId, ExportNotFound
from entrypoints.http.bodies import code_of, json_object, path_id, require
from entrypoints.http.documentation import CODE, Moment, errors, json_body, operation, path_number
from entrypoints.http.edge import wants_head
from entrypoints.http.file_stream import FileStream, nothing
from entrypoints.http.policy import LEAVING, USER
from entrypoints.http.wire import Said, iso


class ExportState(msgspec.Struct):
    """An archive of the caller's data: `pending` while it is made, then `ready` at `download_url` until
    `expires_at`; `pending` again while it is being fetched."""

    status: Literal["pending", "ready"]
    export_id: int
    download_url: str | None
    expires_at: Moment | None


class PersonalDataController(Controller):
    path = "/api/user"
    tags = ("personal data",)
    security = ({"token": []},)

    @delete(
        "/delete_account",
        status_code=200,
        opt=LEAVING,
        operation_class=operation(json_body({"code": CODE}, ["code"])),
        responses=errors(409, 429, token=True, body=True),
    )
    async def delete_account(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        delete_account: FromDishka[DeleteAccount],
    ) -> Said:
        """Leave, with a code that was sent for it. Everything that is the caller's is erased."""
        fields = await json_object(request)
        require(fields, "code", msg="Verification code is required")
        await delete_account(caller.account, code_of(fields))
        return Said("Account deleted successfully")

    @get("/export", opt=USER, operation_class=operation(), responses=errors(429, token=True))
    async def export(
        self, caller: FromDishka[Caller], ask_for_export: FromDishka[AskForExport]
    ) -> ExportState:
        """Ask for an archive of everything that is known about the caller, and whether it is ready."""
        return _state(await ask_for_export(caller.account.id))

    @get(
        "/export/{export:str}",
        opt=USER,
        operation_class=operation(
            path={"export": path_number("The archive.")}, tells=["Content-Disposition"]
        ),
        responses={
            200: ResponseSpec(
                bytes,
                media_type="application/zip",
                generate_examples=False,
                description="The archive. Once it was read to the end it is gone.",
            ),
            **errors(400, 404, token=True),
        },
    )
    async def fetch_export(
        self,
        request: Request[Any, Any, State],
        export: FromPath[str],
        caller: FromDishka[Caller],
        fetch: FromDishka[FetchExport],
    ) -> FileStream:
        """The archive, once."""
        id, user = ExportId(path_id(export, ExportNotFound)), caller.account.id
        if wants_head(request.scope):
            return _file(await fetch.offered(user, id), nothing())
        return _file(*await fetch(user, id))


def _state(export: Export) -> ExportState:
    if export.ready_at is None or export.fetched_at is not None:
        return ExportState("pending", export.id, None, None)
    return ExportState("ready", export.id, f"/api/user/export/{export.id}", iso(export.ready_at + KEPT))


def _file(export: Export, pieces: AsyncGenerator[bytes]) -> FileStream:
    name = f"virtual-tutor-{export.created_at:%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return FileStream(pieces, export.size or 0, "application/zip", headers)
