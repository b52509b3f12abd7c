"""Documents that are searched whatever one talks about: one's own, and the public base."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, delete, get, post
from litestar.datastructures import State

from application.accounts.authenticate import Caller
from application.files.add_knowledge import AddKnowledge
from application.files.check_incoming import Incoming
from application.files.delete_upload import DeleteUpload, Scope
from application.files.list_knowledge_users import ListKnowledgeUsers
from application.files.list_public_files import ListPublicFiles
from domain.document import NAME_MAX, StoredFile
from domain.errors import InvalidField
from domain.text import nfc
from entrypoints.http.bodies import form_of, query
from entrypoints.http.controllers.files import DeletedFile, deleted_file
from entrypoints.http.documentation import FILE, TEXT, errors, file_body, operation, parameter, words
from entrypoints.http.policy import USER, Policy, denying

UPLOADS = "/api/upload"
ONLY = "Permission denied: Only tutors can access"


class AddedKnowledge(msgspec.Struct, omit_defaults=True):
    """The document is kept. Once it is `indexed` the rest says what became of it: in the words of the RAG
    service, as far as there is one."""

    msg: str
    file_id: int
    filename: str
    rag_status: str
    admin: bool | None = None
    user_id: str | None = None
    ingest_file: str | None = None
    page_count: int | None = None
    page_embs_num: int | None = None
    chunk_embs_num: int | None = None
    page_collection: str | None = None
    chunk_collection: str | None = None


class UserNumbers(msgspec.Struct):
    users: list[str]


class FileNames(msgspec.Struct):
    files: list[str]


class KnowledgeController(Controller):
    path = "/api"
    tags = ("documents",)
    security = ({"token": []},)

    @post(
        "/upload",
        status_code=200,
        opt=USER,
        operation_class=operation(file_body({"file": FILE}, ["file"])),
        responses=errors(502, 504, token=True, body=True),
    )
    async def add_knowledge(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        add_knowledge: FromDishka[AddKnowledge],
    ) -> AddedKnowledge:
        """Add a document to the caller's own knowledge; a tutor adds it to the public base."""
        async with form_of(request, {"file": add_knowledge.welcome}) as form:
            part = form.files.get("file")
            incoming = Incoming(part.name, part.path, part.size) if part else None
            return _added(await add_knowledge(caller.account, incoming))

    @delete(
        "/upload/{name:path}",
        status_code=200,
        opt=USER,
        operation_class=operation(
            path={"name": parameter(TEXT, "The file's original, stored or index name.", required=True)},
            query={
                "scope": parameter(
                    words(*Scope, default=""), "Where a tutor means it; else the public base comes first."
                )
            },
        ),
        responses=errors(400, 403, 404, 504, token=True),
    )
    async def delete_upload(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        delete_upload: FromDishka[DeleteUpload],
    ) -> DeletedFile:
        """Delete a file by its name: one of the caller's, or (tutors) one of the public base."""
        return await _deleted(request, caller, delete_upload)

    @delete(["/upload", "/upload/users"], status_code=200, opt=USER, include_in_schema=False)
    async def delete_upload_of_a_routes_name(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        delete_upload: FromDishka[DeleteUpload],
    ) -> DeletedFile:
        """The same for names that are routes for other methods."""
        return await _deleted(request, caller, delete_upload)

    @get(
        "/upload/users",
        opt=denying(Policy.TUTOR, f"{ONLY} user list."),
        operation_class=operation(),
        responses=errors(403, 502, 504, token=True),
    )
    async def knowledge_users(self, list_users: FromDishka[ListKnowledgeUsers]) -> UserNumbers:
        """Who has documents of his own that can be searched."""
        return UserNumbers(await list_users())

    @get(
        "/public_files",
        opt=denying(Policy.TUTOR, f"{ONLY} public files."),
        operation_class=operation(),
        responses=errors(403, 502, 504, token=True),
    )
    async def public_files(self, list_public_files: FromDishka[ListPublicFiles]) -> FileNames:
        """The names of the documents in the public base, in order."""
        return FileNames(await list_public_files())


async def _deleted(
    request: Request[Any, Any, State], caller: Caller, delete_upload: DeleteUpload
) -> DeletedFile:
    scope = query(request, "scope")
    return deleted_file(await delete_upload(caller.account, _names(request, scope), _scope(scope)))


def _added(file: StoredFile) -> AddedKnowledge:
    told: dict[str, object] = {
        "msg": "File uploaded successfully",
        "file_id": file.id,
        "filename": file.original_name,
        "rag_status": file.rag_status,
    }
    if file.index_report:
        whose = {"admin": file.public, "user_id": str(file.user_id), "ingest_file": file.index_name}
        told = {**file.index_report, **whose, **told}
    return msgspec.convert(told, AddedKnowledge)


def _scope(asked: str | None) -> Scope | None:
    try:
        return Scope(asked) if asked else None
    except ValueError as error:
        raise InvalidField("Invalid value for 'scope'") from error


def _names(request: Request[Any, Any, State], scope: str | None) -> Sequence[str]:
    """What stands in the path, decoded once, by the server. Some clients do not encode `?`: there the name
    may go on in the query."""
    name = request.scope["path"].removeprefix(UPLOADS).removeprefix("/")
    rest = unquote(request.scope["query_string"].decode("latin-1"))
    meant = [f"{name}?{rest}", name] if rest and scope is None else [name]
    return [nfc(each, NAME_MAX) for each in meant]
