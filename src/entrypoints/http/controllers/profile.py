"""What somebody shows of himself, what he is told, and the wish to become a tutor."""

from dataclasses import asdict
from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, get, post, put
from litestar.datastructures import State
from litestar.params import FromPath

from application.accounts.authenticate import Caller
from application.accounts.request_tutor import RequestTutor
from application.ports.persistence import ProfileCard, Reading
from application.profile.change_picture import ChangePicture, IncomingPicture
from application.profile.read_notification import NotificationNotFound, ReadNotification
from application.profile.show_profile import ShowProfile
from application.profile.update_profile import UpdateProfile
from domain.tutor_request import REASON_MAX
from domain.user import PROFILE_MAX
from entrypoints.http.bodies import form_boolean, form_of, json_object, paging, path_id, query, text
from entrypoints.http.documentation import (
    FILE,
    Moment,
    at_most,
    errors,
    file_body,
    flag,
    json_body,
    operation,
    paged,
    parameter,
    path_number,
)
from entrypoints.http.policy import POLLING, USER
from entrypoints.http.wire import Said, iso

INBOX, INBOX_CAP = 10, 100


class NewPicture(msgspec.Struct):
    """The picture is kept, and served under `avatar_url`."""

    msg: str
    avatar_url: str


class NotificationItem(msgspec.Struct):
    id: int
    title: str
    message: str
    type: str
    is_read: bool
    created_at: Moment


class NotificationList(msgspec.Struct):
    """`total` counts what was asked for, `unread_count` all that are unread."""

    notifications: list[NotificationItem]
    total: int
    unread_count: int
    page: int
    limit: int


class Requested(msgspec.Struct):
    """`pending` until an admin decides; `approved` where everybody may become a tutor at once."""

    msg: str
    status: str


class ProfileController(Controller):
    path = "/api/user"
    tags = ("profile",)
    security = ({"token": []},)

    @get("/profile", opt=USER, operation_class=operation(), responses=errors(token=True))
    async def profile(self, caller: FromDishka[Caller], show_profile: FromDishka[ShowProfile]) -> ProfileCard:
        """What the caller shows of himself."""
        return await show_profile(caller.account.id)

    @post(
        "/profile",
        status_code=200,
        opt=USER,
        operation_class=operation(json_body({name: at_most(most) for name, most in PROFILE_MAX.items()})),
        responses=errors(429, token=True, body=True),
    )
    async def update_profile(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        update_profile: FromDishka[UpdateProfile],
    ) -> Said:
        """Change some texts; what is absent stays, "" clears (the username stays)."""
        fields = await json_object(request)
        sent = {name: text(fields, name) for name in PROFILE_MAX if fields.get(name) is not None}
        await update_profile(caller.account.id, sent)
        return Said("User profile updated successfully")

    @post(
        "/avatar",
        status_code=200,
        opt=USER,
        operation_class=operation(file_body({"avatar": FILE}, ["avatar"])),
        responses=errors(429, token=True, body=True),
    )
    async def upload_picture(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        change_picture: FromDishka[ChangePicture],
    ) -> NewPicture:
        """Another picture: PNG or JPEG, kept without its metadata and at most 1024 pixels wide and high."""
        async with form_of(request, {"avatar": change_picture.welcome}) as form:
            part = form.files.get("avatar")
            incoming = IncomingPicture(part.name, part.path, part.size) if part else None
            return NewPicture(
                "Avatar uploaded successfully.", await change_picture(caller.account.id, incoming)
            )

    @get(
        "/notifications",
        opt=POLLING,
        operation_class=operation(
            query={**paged(INBOX, INBOX_CAP), "unread_only": parameter(flag(False), "Only what is unread.")}
        ),
        responses=errors(400, token=True),
    )
    async def notifications(
        self, request: Request[Any, Any, State], caller: FromDishka[Caller], reading: FromDishka[Reading]
    ) -> NotificationList:
        """What the caller was told, newest first; asking does not count as activity."""
        page, limit = paging(request, INBOX, INBOX_CAP)
        unread_only = form_boolean(query(request, "unread_only"), "unread_only") or False
        inbox = await reading.inbox(caller.account.id, limit, (page - 1) * limit, unread_only=unread_only)
        items = [
            NotificationItem(**{**asdict(line), "created_at": iso(line.created_at)}) for line in inbox.items
        ]
        return NotificationList(items, inbox.total, inbox.unread, page, limit)

    @put(
        "/notifications/{notification:str}/read",
        opt=USER,
        operation_class=operation(path={"notification": path_number("The notification.")}),
        responses=errors(404, token=True, body=True),
    )
    async def read_notification(
        self,
        notification: FromPath[str],
        caller: FromDishka[Caller],
        read_notification: FromDishka[ReadNotification],
    ) -> Said:
        """The caller has seen it; doing it twice is fine."""
        await read_notification(caller.account.id, path_id(notification, NotificationNotFound))
        return Said("Notification marked as read")

    @post(
        "/tutor_request",
        status_code=200,
        opt=USER,
        operation_class=operation(json_body({"reason": at_most(REASON_MAX)})),
        responses=errors(403, 409, token=True, body=True),
    )
    async def request_tutor(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        request_tutor: FromDishka[RequestTutor],
    ) -> Requested:
        """A student asks to become a tutor. Who becomes one at once has to log in again."""
        status = await request_tutor(caller.account.id, text(await json_object(request), "reason"))
        return Requested("Tutor request submitted", status)
