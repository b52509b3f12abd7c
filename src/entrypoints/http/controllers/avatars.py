"""Who sees whom: an avatar is started for a user, and given back."""

from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, MediaType, Request, Response, post
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Schema

from application.accounts.authenticate import Caller
from application.avatars.disconnect import DisconnectAvatar
from application.avatars.start import StartAvatar, Started
from application.ports.avatar_leases import AvatarLeases
from domain.avatar import avatar_name, rtc_session
from domain.errors import Invalid, MissingField
from entrypoints.http.bodies import form_of, json_object
from entrypoints.http.documentation import errors, form_body, json_body, operation
from entrypoints.http.policy import USER

NAME = Schema(type=OpenAPIType.STRING, pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
RTC = Schema(type=OpenAPIType.INTEGER, minimum=1)
NOTHING = ResponseSpec(str, media_type="text/plain", generate_examples=False, description="An empty body.")


class AvatarStarted(msgspec.Struct):
    """`avatar_id` names the caller's share of the avatar, `connections` counts all that have one. A new
    instance may need a moment before it can be connected to, by an offer to `webrtc_url`."""

    status: str
    avatar_id: str
    port: int
    webrtc_url: str
    gpu: int | None
    connections: int
    is_new_instance: bool
    message: str


class AvatarParted(msgspec.Struct, omit_defaults=True):
    """`msg` where there was nothing to give back."""

    status: str | None = None
    message: str | None = None
    msg: str | None = None


class NoSessionId(Invalid):
    code = "missing_field"
    msg = "No session ID provided"


class AvatarsController(Controller):
    path = "/api"
    tags = ("avatars",)
    security = ({"token": []},)

    @post(
        "/avatar/start",
        status_code=200,
        opt=USER,
        operation_class=operation(form_body({"avatar_name": NAME}, ["avatar_name"])),
        responses=errors(502, 504, token=True, body=True),
    )
    async def start_avatar(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        start_avatar: FromDishka[StartAvatar],
    ) -> AvatarStarted:
        """Have an avatar, in place of the one the caller has. Asking again for the same one changes
        nothing."""
        async with form_of(request) as form:
            name = form.get("avatar_name")
        if name is None:
            raise MissingField("Missing 'avatar_name' in form-data")
        return _told(await start_avatar(caller.account.id, avatar_name(name)))

    @post(
        "/avatar/disconnect",
        status_code=200,
        opt=USER,
        operation_class=operation(),
        responses=errors(token=True),
    )
    async def disconnect_avatar(
        self, caller: FromDishka[Caller], disconnect_avatar: FromDishka[DisconnectAvatar]
    ) -> AvatarParted:
        """Give the caller's avatar back."""
        parted = await disconnect_avatar(caller.account.id)
        if parted is None:
            return AvatarParted(msg="No active avatar connection")
        message = f"Disconnected from avatar {parted.avatar}" if parted.told else "Disconnection noted"
        return AvatarParted("success", message)

    @post(
        "/sessionid",
        status_code=200,
        opt=USER,
        operation_class=operation(json_body({"sessionid": RTC}, ["sessionid"])),
        responses={200: NOTHING, **errors(400, 413, token=True)},
    )
    async def select_rtc_session(
        self, request: Request[Any, Any, State], caller: FromDishka[Caller], leases: FromDishka[AvatarLeases]
    ) -> Response[bytes]:
        """Which of the caller's connections to his avatar is to speak. One that is not his, or over, changes
        nothing."""
        wanted = await _session_id(request)
        rtc = rtc_session(wanted)
        if rtc is not None:
            await leases.select(caller.account.id, rtc)
        return Response(b"", media_type=MediaType.TEXT)


def _told(started: Started) -> AvatarStarted:
    lease, instance = started.lease, started.lease.instance
    connections = instance.connections or 1
    word = "started" if started.is_new else "reused"
    return AvatarStarted(
        status="success",
        avatar_id=lease.instance_id,
        port=instance.port,
        webrtc_url="/api/webrtc/offer",
        gpu=instance.gpu,
        connections=connections,
        is_new_instance=started.is_new,
        message=f"Avatar {word} successfully (port {instance.port}, connections: {connections})",
    )


async def _session_id(request: Request[Any, Any, State]) -> object:
    """Any whole number or its digits; whether it is one of the caller's is another matter."""
    try:
        wanted = (await json_object(request)).get("sessionid")
    except Invalid:
        raise NoSessionId from None
    if isinstance(wanted, float) and wanted.is_integer():
        wanted = int(wanted)
    whole = isinstance(wanted, int) and not isinstance(wanted, bool)
    digits = isinstance(wanted, str) and wanted.isascii() and wanted.isdigit()
    if not wanted or not (whole or digits):
        raise NoSessionId
    return wanted
