import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import msgspec
from typing_extensions import override

from adapters.http.answers import Fetched, fetched
from adapters.http.client import patience
from adapters.http.errors import BadAnswer, translated
from adapters.http.multipart import FilePart, Multipart
from adapters.loopback import instance_secret
from application.ports.avatar_instances import (
    AvatarInstances,
    CallRejected,
    InstanceFailed,
    InstanceStarting,
    InstanceTimeout,
    InstanceUnreachable,
    NotAccepted,
    OfferAnswer,
    Passed,
    ProxyCall,
    SessionLimitReached,
)
from domain.avatar import Lease, RtcSession, RtcSessionGone, rtc_session

PATHS = frozenset(
    {"offer", "human", "humanaudio", "interrupt_talk", "is_speaking", "set_audiotype", "record", "health"}
)
JSON = {"content-type": "application/json"}
REJECTED = (400, 413, 415, 422)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|[0-9A-Fa-f:.]{2,45}")


@dataclass(frozen=True, slots=True)
class _Said:
    """A JSON object that an instance answered with success, as it came."""

    status: int
    body: bytes
    fields: dict[str, object]

    @property
    def clean(self) -> bytes:
        """Without a top-level `token`, which clients would take for a login of theirs."""
        if "token" not in self.fields:
            return self.body
        return json.dumps({name: value for name, value in self.fields.items() if name != "token"}).encode()


@dataclass(frozen=True, slots=True)
class HttpAvatarInstances(AvatarInstances):
    """The instance protocol. `own` is the base URL of our own Avatar Manager and its secret, from which those
    of its instances follow; no other instance is told any."""

    client: httpx.AsyncClient
    own: tuple[str, str] | None = field(default=None, repr=False)
    proxy_s: float = 30.0
    speech_s: float = 3.0

    @override
    async def offer(self, lease: Lease, sdp: str) -> OfferAnswer:
        call = ProxyCall("POST", "offer", fields={"sdp": sdp, "type": "offer"})
        said = await self._call(lease, call, self.proxy_s)
        answer, number = said.fields.get("sdp"), said.fields.get("sessionid")
        rtc = rtc_session(number) if isinstance(number, int) else None
        if not isinstance(answer, str) or not answer or said.fields.get("type") != "answer" or rtc is None:
            raise InstanceFailed
        return OfferAnswer(rtc, answer, said.clean)

    @override
    async def speak(self, lease: Lease, rtc: RtcSession, text: str, *, within_s: float = 3.0) -> None:
        call = ProxyCall("POST", "human", rtc, {"text": text, "type": "echo"})
        await self._call(lease, call, within_s)

    @override
    async def interrupt(self, lease: Lease, rtc: RtcSession) -> None:
        await self._call(lease, ProxyCall("POST", "interrupt_talk", rtc), self.speech_s)

    @override
    async def is_speaking(self, lease: Lease, rtc: RtcSession) -> bool:
        said = await self._call(lease, ProxyCall("POST", "is_speaking", rtc), self.speech_s)
        speaking = said.fields.get("data")
        if not isinstance(speaking, bool):
            raise InstanceFailed
        return speaking

    @override
    async def pass_on(self, lease: Lease, call: ProxyCall) -> Passed:
        said = await self._call(lease, call, self.proxy_s)
        return Passed(said.status, "application/json", said.clean)

    async def _call(self, lease: Lease, call: ProxyCall, within_s: float) -> _Said:
        with translated(unreachable=InstanceUnreachable, timeout=InstanceTimeout, failed=InstanceFailed):
            content, headers = _body(call)
            request = self.client.build_request(
                call.method,
                _url(lease, call.path),
                content=content,
                headers={"accept": "application/json", **headers, **self._secret(lease)},
                timeout=patience(self.client, within_s),
            )
            answer = await fetched(self.client, request, within_s=within_s)
            return _said(call, answer)

    def _secret(self, lease: Lease) -> dict[str, str]:
        if self.own is None or self.own[0].rstrip("/") != lease.instance.manager.rstrip("/"):
            return {}
        return {"x-avatar-secret": instance_secret(self.own[1], lease.instance.port)}


def _url(lease: Lease, path: str) -> str:
    """Where the lease says, and nowhere else, whatever has become of it on its way through Redis."""
    host, port = lease.instance.host, lease.instance.port
    if path not in PATHS or not _HOST.fullmatch(host) or not 0 < port < 65536:
        raise BadAnswer("no address of an instance")
    return f"http://[{host}]:{port}/{path}" if ":" in host else f"http://{host}:{port}/{path}"


def _body(call: ProxyCall) -> tuple[bytes | AsyncIterator[bytes] | None, dict[str, str]]:
    """The body and its headers, made anew from what was checked."""
    if call.method == "GET":
        return None, {}
    fields = dict(call.fields) if call.rtc is None else {"sessionid": int(call.rtc), **call.fields}
    if call.sound is None:
        return json.dumps(fields).encode(), JSON
    file = FilePart(call.sound.path, call.sound.size, f"sound.{call.sound.extension}")
    form = Multipart({name: str(value) for name, value in fields.items()}, {"file": file})
    return form.content(), form.headers


def _said(call: ProxyCall, answer: Fetched) -> _Said:
    """What the answer means, quirks included: refusals come with success, sessions end unannounced."""
    if answer.status == 503:
        raise InstanceStarting
    if answer.status in REJECTED:
        raise CallRejected
    fields = _fields(answer.body)
    if answer.status == 404 and call.rtc is not None and fields.get("code") == -1:
        raise RtcSessionGone
    if not 200 <= answer.status < 300:
        raise BadAnswer(f"status {answer.status}")
    if fields.get("code") not in (None, 0):
        raise SessionLimitReached if call.path == "offer" else NotAccepted
    return _Said(answer.status, answer.body, fields)


def _fields(body: bytes) -> dict[str, object]:
    try:
        fields = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("malformed JSON") from error
    if not isinstance(fields, dict):
        raise BadAnswer("not an object")
    return fields
