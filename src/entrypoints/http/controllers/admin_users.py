"""Accounts, as administrators see and change them."""

from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, delete, get, post, put
from litestar.datastructures import State
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import FromPath

from application.accounts.authenticate import Caller
from application.admin.create_user import CreateUser, NewUser
from application.admin.delete_user import DeleteUser
from application.admin.edit_user import Edit, EditUser
from application.admin.log_out_user import LogOutUser
from application.admin.send_reset import SendReset
from application.ports.administration import Administration, UserFilter, UserLine
from domain.tutor_request import REASON_MAX, acceptable_reason
from domain.user import DEFAULT_PICTURE, PROFILE_MAX, Role, Status, UserId, UserNotFound
from entrypoints.http.bodies import json_object, paging, path_id, query_text, require, text, word
from entrypoints.http.client_address import ClientAddress
from entrypoints.http.documentation import (
    EMAIL,
    NULLABLE_TEXT,
    PASSWORD,
    TEXT,
    Moment,
    at_most,
    errors,
    json_body,
    operation,
    paged,
    parameter,
    path_number,
    words,
)
from entrypoints.http.policy import ADMIN
from entrypoints.http.wire import Said, iso

USERS, USERS_CAP = 20, 200
BAD_ADDRESS = "Invalid email address"
WHO = {"user_id": path_number("The user's number, with or without leading zeros.")}
REASON = {"reason": at_most(REASON_MAX)}
ROLE = Schema(type=OpenAPIType.STRING, enum=list(Role))
TEXTS = {name: at_most(most) for name, most in PROFILE_MAX.items()}


class UserItem(msgspec.Struct):
    id: str
    email: str
    username: str
    full_name: str
    phone: str
    bio: str
    avatar: str
    role: str
    status: str
    created_at: Moment | None
    last_login: Moment | None


class UserList(msgspec.Struct):
    users: list[UserItem]
    total: int
    page: int
    limit: int


class Created(msgspec.Struct):
    """The account exists; `user_id` has at least three digits."""

    msg: str
    user_id: str


class AdminUsersController(Controller):
    path = "/api/admin/users"
    tags = ("administration",)
    security = ({"token": []},)

    @get(
        "/",
        opt=ADMIN,
        operation_class=operation(
            query={
                **paged(USERS, USERS_CAP),
                "search": parameter(TEXT, "Part of address, username or full name, in any letter case."),
                "role": parameter(ROLE, "Only this role."),
                "status": parameter(Schema(type=OpenAPIType.STRING, enum=list(Status)), "Only this status."),
            }
        ),
        responses=errors(400, 403, token=True),
    )
    async def users(
        self, request: Request[Any, Any, State], administration: FromDishka[Administration]
    ) -> UserList:
        """All accounts, the newest first."""
        page, limit = paging(request, USERS, USERS_CAP)
        search, role, status = (query_text(request, name) for name in ("search", "role", "status"))
        wanted = UserFilter(search=search, role=role, status=status)
        listed = await administration.users(wanted, limit, (page - 1) * limit)
        return UserList([_user(line) for line in listed.items], listed.total, page, limit)

    @post(
        "/",
        status_code=201,
        opt=ADMIN,
        operation_class=operation(
            json_body(
                {
                    "email": EMAIL,
                    "password": PASSWORD,
                    "role": ROLE,
                    **TEXTS,
                    "username": Schema(
                        type=OpenAPIType.STRING, min_length=1, max_length=PROFILE_MAX["username"]
                    ),
                    "avatar_url": at_most(200),
                    "status": words(*Status, default=Status.ACTIVE),
                },
                ["email", "password", "username", "role"],
            )
        ),
        responses=errors(403, 409, token=True, body=True),
    )
    async def create_user(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        create_user: FromDishka[CreateUser],
    ) -> Created:
        """Make an account of any role; only an admin makes admins."""
        fields = await json_object(request)
        require(fields, "email", "password", "username", "role", msg="Missing required fields")
        wanted = NewUser(
            email=text(fields, "email", BAD_ADDRESS),
            password=text(fields, "password"),
            role=word(fields, "role", ""),
            status=word(fields, "status", Status.ACTIVE),
            texts={name: text(fields, name) for name in PROFILE_MAX},
            picture=text(fields, "avatar_url"),
        )
        id = await create_user(caller.account, wanted)
        return Created("User created successfully", f"{id:03}")

    @put(
        "/{user_id:str}",
        opt=ADMIN,
        operation_class=operation(
            json_body(
                {
                    "email": Schema(any_of=[EMAIL, Schema(type=NULLABLE_TEXT, enum=["", None])]),
                    "role": Schema(type=NULLABLE_TEXT, enum=[*Role, "", None]),
                    "status": Schema(type=NULLABLE_TEXT, enum=[*Status, "", None]),
                    **TEXTS,
                }
            ),
            path=WHO,
        ),
        responses=errors(403, 404, 409, token=True, body=True),
    )
    async def edit_user(
        self,
        request: Request[Any, Any, State],
        user_id: FromPath[str],
        caller: FromDishka[Caller],
        edit_user: FromDishka[EditUser],
    ) -> Said:
        """Change what is sent, all of it or nothing. Another role or a ban logs the user out."""
        id = UserId(path_id(user_id, UserNotFound))
        fields = await json_object(request)
        edit = Edit(
            email=text(fields, "email", BAD_ADDRESS),
            role=word(fields, "role", ""),
            status=word(fields, "status", ""),
            texts={name: text(fields, name) for name in PROFILE_MAX if fields.get(name) is not None},
        )
        await edit_user(caller.account, id, edit)
        return Said("User updated successfully")

    @delete(
        "/{user_id:str}",
        status_code=200,
        opt=ADMIN,
        operation_class=operation(json_body(REASON), path=WHO),
        responses=errors(403, 404, 409, token=True, body=True),
    )
    async def delete_user(
        self,
        request: Request[Any, Any, State],
        user_id: FromPath[str],
        caller: FromDishka[Caller],
        delete_user: FromDishka[DeleteUser],
    ) -> Said:
        """Delete an account with everything that is its own; who it was stays in the action log."""
        id = UserId(path_id(user_id, UserNotFound))
        reason = acceptable_reason(text(await json_object(request), "reason"))
        await delete_user(caller.account, id, reason)
        return Said("User deleted successfully")

    @post(
        "/{user_id:str}/logout",
        status_code=200,
        opt=ADMIN,
        operation_class=operation(path=WHO),
        responses=errors(400, 403, 404, 413, 415, token=True),
    )
    async def log_out_user(
        self, user_id: FromPath[str], caller: FromDishka[Caller], log_out_user: FromDishka[LogOutUser]
    ) -> Said:
        """End every login session of an account."""
        await log_out_user(caller.account, UserId(path_id(user_id, UserNotFound)))
        return Said("User logged out successfully")

    @post(
        "/{user_id:str}/send_reset",
        status_code=200,
        opt=ADMIN,
        operation_class=operation(path=WHO),
        responses=errors(400, 403, 404, 413, 415, 429, token=True),
    )
    async def send_reset(
        self,
        request: Request[Any, Any, State],
        user_id: FromPath[str],
        caller: FromDishka[Caller],
        send_reset: FromDishka[SendReset],
        client_address: FromDishka[ClientAddress],
    ) -> Said:
        """Mail the user a code to set a new password with; nobody sets it for him."""
        await send_reset(caller.account, UserId(path_id(user_id, UserNotFound)), client_address(request))
        return Said("Verification code sent.")


def shown_id(id: UserId) -> str:
    """As the reference web client knows users."""
    return f"U{id:03}"


def _user(line: UserLine) -> UserItem:
    return UserItem(
        id=shown_id(line.id),
        email=line.email,
        username=line.username,
        full_name=line.full_name,
        phone=line.phone,
        bio=line.bio,
        avatar=line.avatar_url or DEFAULT_PICTURE,
        role=line.role,
        status=line.status,
        created_at=iso(line.created_at),
        last_login=iso(line.last_login) if line.last_login else None,
    )
