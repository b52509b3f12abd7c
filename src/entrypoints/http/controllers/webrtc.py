"""The line between a viewer and his avatar: seven calls of the instance protocol, each rebuilt from what was
checked, and where to look for a way through the network."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Schema

from application.accounts.authenticate import Caller
from application.avatars.ice_servers import TellIceServers
from application.avatars.make_offer import MakeOffer
from application.avatars.pass_on import PassOn
from application.ports.avatar_instances import Passed, ProxyCall, Sound
from domain.avatar import Lease, RtcSession, rtc_session
from domain.document import require_size
from domain.errors import Invalid, InvalidField, MissingField
from domain.text import require_storable
from entrypoints.http.bodies import any_name, form_of, json_object
from entrypoints.http.documentation import FILE, SOME_TEXT, errors, file_body, json_body, operation
from entrypoints.http.policy import TUTOR, USER

SOUND_MAX_MB = 50
RTC = Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=10**15 - 1)
FLAG = Schema(type=OpenAPIType.BOOLEAN)
OFFER = Schema(const="offer")
ECHO = Schema(const="echo")
RECORDING = Schema(type=OpenAPIType.STRING, enum=["start_record", "end_record"])
AUDIO_TYPE = Schema(
    one_of=[
        Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=2**31 - 1),
        Schema(type=OpenAPIType.STRING, pattern="^[A-Za-z0-9._-]{1,64}$"),
    ]
)
_AS_IT_IS = re.compile(r"/+api/+webrtc/+[a-z_]+/*")
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,8}")


class Answered(msgspec.Struct):
    """What the avatar says: `code` 0, and maybe `data`."""

    code: int = 0
    msg: str | None = None
    data: Any = None


class Connected(msgspec.Struct):
    """The avatar's side of the connection. `sessionid` is the caller's on his present avatar alone."""

    sdp: str
    type: str
    sessionid: int


class InstanceHealth(msgspec.Struct):
    status: str
    service: str | None = None
    sessions: int | None = None
    max_sessions: int | None = None


class IceServerItem(msgspec.Struct, omit_defaults=True):
    urls: list[str]
    username: str | None = None
    credential: str | None = None


class IceConfig(msgspec.Struct):
    """For `new RTCPeerConnection(…)`. Credentials are the caller's own and expire within hours."""

    ice_servers: list[IceServerItem] = msgspec.field(name="iceServers")


def on_the_path_as_sent(connection: "ASGIConnection[Any, Any, Any, Any]", _: BaseRouteHandler) -> None:
    """What only becomes one of our paths by decoding is none."""
    if not _AS_IT_IS.fullmatch(connection.scope["state"]["path_as_sent"]):
        raise NotFoundException


def described(schema: type, meaning: str) -> dict[int, ResponseSpec]:
    answers = {200: ResponseSpec(schema, generate_examples=False, description=meaning)}
    return answers | errors(403, 404, 409, 429, 502, 504, token=True, body=True)


class WebRtcController(Controller):
    """Who asks for a `Lease` and has none is refused before his body is read."""

    path = "/api/webrtc"
    tags = ("avatars",)
    security = ({"token": []},)
    guards = (on_the_path_as_sent,)

    @get("/config", opt=USER, operation_class=operation(), responses=errors(404, token=True))
    async def rtc_config(self, caller: FromDishka[Caller], tell: FromDishka[TellIceServers]) -> IceConfig:
        """Where a browser finds a way to an avatar. Needs no avatar."""
        servers = tell(caller.account.id)
        return IceConfig([IceServerItem(list(one.urls), one.username, one.credential) for one in servers])

    @post(
        "/offer",
        status_code=200,
        opt=USER,
        operation_class=operation(json_body({"sdp": SOME_TEXT, "type": OFFER}, ["sdp", "type"])),
        responses=described(Connected, "The avatar's answer."),
    )
    async def rtc_offer(
        self,
        request: Request[Any, Any, State],
        lease: FromDishka[Lease],
        make_offer: FromDishka[MakeOffer],
    ) -> Response[bytes]:
        """Connect to the avatar that the caller has started."""
        fields = await json_object(request)
        sdp = fields.get("sdp")
        if not isinstance(sdp, str) or not sdp or fields.get("type") != "offer":
            raise Invalid("Invalid offer")
        answer = await make_offer(lease, require_storable(sdp, "Invalid offer"))
        return _handed_on(Passed(200, "application/json", answer.body))

    @post(
        "/human",
        status_code=200,
        opt=USER,
        operation_class=operation(
            json_body(
                {"sessionid": RTC, "text": SOME_TEXT, "type": ECHO, "interrupt": FLAG},
                ["sessionid", "text", "type"],
            )
        ),
        responses=described(Answered, "It will be said."),
    )
    async def rtc_human(
        self,
        request: Request[Any, Any, State],
        lease: FromDishka[Lease],
        pass_on: FromDishka[PassOn],
    ) -> Response[bytes]:
        """Have the avatar say something."""
        fields = await json_object(request)
        said: dict[str, str | int | bool] = {
            "text": _text(fields, "text"),
            "type": _one_of(fields, "type", "echo"),
        }
        if fields.get("interrupt") is not None:
            said["interrupt"] = _flag(fields, "interrupt")
        return _handed_on(await pass_on(lease, ProxyCall("POST", "human", _rtc(fields), said)))

    @post(
        "/humanaudio",
        status_code=200,
        opt=USER,
        operation_class=operation(file_body({"sessionid": RTC, "file": FILE}, ["sessionid", "file"])),
        responses=described(Answered, "It will be said."),
    )
    async def rtc_humanaudio(
        self,
        request: Request[Any, Any, State],
        lease: FromDishka[Lease],
        pass_on: FromDishka[PassOn],
    ) -> Response[bytes]:
        """Have the avatar speak with the voice of a recording."""
        async with form_of(request, {"file": any_name(_require_size)}) as form:
            rtc = _rtc({"sessionid": form.get("sessionid")})
            file = form.files.get("file")
            if file is None or not file.size:
                raise MissingField("No file part in the request")
            extension = file.name.rpartition(".")[2]
            sound = Sound(
                file.path, file.size, extension.lower() if _EXTENSION.fullmatch(extension) else "bin"
            )
            return _handed_on(await pass_on(lease, ProxyCall("POST", "humanaudio", rtc, sound=sound)))

    @post(
        "/interrupt_talk",
        status_code=200,
        opt=USER,
        operation_class=operation(json_body({"sessionid": RTC}, ["sessionid"])),
        responses=described(Answered, "It is silent."),
    )
    async def rtc_interrupt(
        self,
        request: Request[Any, Any, State],
        lease: FromDishka[Lease],
        pass_on: FromDishka[PassOn],
    ) -> Response[bytes]:
        """Have the avatar fall silent."""
        call = ProxyCall("POST", "interrupt_talk", _rtc(await json_object(request)))
        return _handed_on(await pass_on(lease, call))

    @post(
        "/is_speaking",
        status_code=200,
        opt=USER,
        operation_class=operation(json_body({"sessionid": RTC}, ["sessionid"])),
        responses=described(Answered, "Whether it does is in `data`."),
    )
    async def rtc_is_speaking(
        self,
        request: Request[Any, Any, State],
        lease: FromDishka[Lease],
        pass_on: FromDishka[PassOn],
    ) -> Response[bytes]:
        """Whether the avatar is speaking."""
        call = ProxyCall("POST", "is_speaking", _rtc(await json_object(request)))
        return _handed_on(await pass_on(lease, call))

    @post(
        "/set_audiotype",
        status_code=200,
        opt=USER,
        operation_class=operation(
            json_body(
                {"sessionid": RTC, "audiotype": AUDIO_TYPE, "reinit": FLAG},
                ["sessionid", "audiotype", "reinit"],
            )
        ),
        responses=described(Answered, "It moves like that from now on."),
    )
    async def rtc_set_audiotype(
        self,
        request: Request[Any, Any, State],
        lease: FromDishka[Lease],
        pass_on: FromDishka[PassOn],
    ) -> Response[bytes]:
        """Choose how the avatar moves while it is silent."""
        fields = await json_object(request)
        told = {"audiotype": _audio_type(fields), "reinit": _flag(fields, "reinit")}
        return _handed_on(await pass_on(lease, ProxyCall("POST", "set_audiotype", _rtc(fields), told)))

    @post(
        "/record",
        status_code=200,
        opt=TUTOR,
        operation_class=operation(json_body({"sessionid": RTC, "type": RECORDING}, ["sessionid", "type"])),
        responses=described(Answered, "It has begun or ended."),
    )
    async def rtc_record(
        self,
        request: Request[Any, Any, State],
        lease: FromDishka[Lease],
        pass_on: FromDishka[PassOn],
    ) -> Response[bytes]:
        """Begin or end a recording, which lies with the avatar."""
        fields = await json_object(request)
        told = {"type": _one_of(fields, "type", "start_record", "end_record")}
        return _handed_on(await pass_on(lease, ProxyCall("POST", "record", _rtc(fields), told)))

    @get(
        "/health",
        opt=USER,
        operation_class=operation(),
        responses=described(InstanceHealth, "It is there."),
    )
    async def rtc_health(
        self,
        lease: FromDishka[Lease],
        pass_on: FromDishka[PassOn],
    ) -> Response[bytes]:
        """Whether the caller's avatar is there."""
        return _handed_on(await pass_on(lease, ProxyCall("GET", "health")))


def _handed_on(passed: Passed) -> Response[bytes]:
    return Response(passed.body, status_code=passed.status, media_type=passed.content_type)


def _rtc(fields: Mapping[str, Any]) -> RtcSession:
    rtc = rtc_session(fields.get("sessionid"))
    if rtc is None:
        raise InvalidField("Invalid value for 'sessionid'")
    return rtc


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidField(f"Invalid value for '{name}'")
    return require_storable(value, f"Invalid value for '{name}'")


def _one_of(fields: Mapping[str, Any], name: str, *allowed: str) -> str:
    value = fields.get(name)
    if value not in allowed:
        raise InvalidField(f"Invalid value for '{name}'")
    return str(value)


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    if not isinstance(value, bool):
        raise InvalidField(f"Invalid value for '{name}'")
    return value


def _audio_type(fields: Mapping[str, Any]) -> str | int:
    value = fields.get("audiotype")
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return value
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    raise InvalidField("Invalid value for 'audiotype'")


def _require_size(size: int) -> None:
    require_size(size, SOUND_MAX_MB, "audio")
