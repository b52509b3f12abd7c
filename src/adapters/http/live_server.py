import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from msgspec import Struct
from typing_extensions import override

from adapters.http.answers import BUSY, fetched, whole
from adapters.http.client import patience
from adapters.http.decoding import decoded
from adapters.http.errors import BadAnswer, Busy, translated
from adapters.http.multipart import FilePart, Multipart
from application.ports.avatar_catalogue import (
    NOT_CONNECTED,
    Added,
    AvatarCatalogue,
    CatalogueFailed,
    CatalogueTimeout,
    CatalogueUnreachable,
    CreationRejected,
    DeletionRejected,
    NewAvatar,
    Picture,
    PreviewMissing,
)
from domain.avatar import AvatarName, InvalidAvatarName
from domain.catalogue import Look, new_avatar_name
from domain.text import storable

CHECK_S = 2.0
PREVIEW_MAX = 8 * 1024 * 1024
TEXT_MAX, DETAIL_MAX = 1000, 300
_PICTURE = re.compile(r"image/[a-z0-9.+-]{1,40}")


class _Refused(Struct):
    detail: object = None


class _Said(Struct):
    status: str
    message: object = None
    image_path: object = None


@dataclass(frozen=True, slots=True)
class LiveServer(AvatarCatalogue):
    """The live server's part of its protocol that is about the catalogue; nothing else of it is ever called.

    `secret` opens the one that we run ourselves. What its list calls by a name that could not be started is
    not in ours.
    """

    client: httpx.AsyncClient
    base_url: str
    secret: str | None = field(default=None, repr=False)
    list_s: float = 10.0
    preview_s: float = 30.0
    delete_s: float = 30.0
    add_s: float = 900.0

    @override
    async def avatars(self) -> Mapping[AvatarName, Look]:
        request = self._request("GET", "/avatar/get_avatars", within_s=self.list_s)
        with _translated(NOT_CONNECTED, "Avatar service timeout", "Avatar service error"):
            status, body = await whole(self.client, request, within_s=self.list_s)
            _require_ok(status)
            return _listed(decoded(body, object))

    @override
    async def preview(self, name: AvatarName) -> Picture:
        request = self._request(
            "POST", "/avatar/preview", within_s=self.preview_s, data={"avatar_name": name}
        )
        with _translated():
            answer = await fetched(self.client, request, within_s=self.preview_s, limit=PREVIEW_MAX)
            if answer.status == 404:
                raise PreviewMissing
            _require_ok(answer.status)
            if not _PICTURE.fullmatch(answer.content_type) or not answer.body:
                raise BadAnswer("no picture")
        return Picture(answer.body, answer.content_type)

    @override
    async def add(self, new: NewAvatar) -> Added:
        form = _form(new)
        request = self._request(
            "POST", "/avatar/add", within_s=self.add_s, content=form.content(), headers=form.headers
        )
        with _translated(
            timeout="Avatar creation timeout (exceeded 15 minutes)",
            failed="Invalid JSON response from avatar service",
        ):
            status, body = await whole(self.client, request, within_s=self.add_s)
            if 400 <= status < 500 and status not in BUSY:
                raise CreationRejected(_detail(body))
            if status >= 500 and status not in BUSY:  # it has tried, and could not
                raise CatalogueFailed(CreationRejected.msg)
            _require_ok(status)
            said = decoded(body, _Said)
            if said.status != "success":
                raise CreationRejected
        image = re.split(r"[/\\]", said.image_path)[-1] if isinstance(said.image_path, str) else ""
        return Added(_words(said.message) or "Avatar created successfully", storable(image)[:TEXT_MAX])

    @override
    async def delete(self, name: AvatarName) -> str:
        request = self._request("POST", "/avatar/delete", within_s=self.delete_s, data={"name": name})
        with _translated():
            status, body = await whole(self.client, request, within_s=self.delete_s)
            if 400 <= status < 500 and status not in BUSY:
                raise DeletionRejected(_detail(body))
            _require_ok(status)
            said = decoded(body, _Said)
            if said.status != "success":
                raise DeletionRejected
        return _words(said.message) or "Avatar deleted successfully"

    @override
    async def check(self) -> None:
        # Ours keeps an avatar warm for whoever asks for the catalogue, and is alive where it has none.
        path = "/health" if self.secret else "/avatar/get_avatars"
        request = self._request("GET", path, within_s=CHECK_S)
        with _translated():
            status, _ = await whole(self.client, request, within_s=CHECK_S)
            _require_ok(status)

    def _request(
        self,
        method: str,
        path: str,
        *,
        within_s: float,
        headers: dict[str, str] | None = None,
        **body: object,
    ) -> httpx.Request:
        known = {"x-avatar-secret": self.secret} if self.secret else {}
        return self.client.build_request(
            method,
            self.base_url.rstrip("/") + path,
            headers={**known, **(headers or {})},
            timeout=patience(self.client, within_s),
            **body,  # type: ignore[arg-type]  # data or content
        )


@contextmanager
def _translated(
    unreachable: str | None = None, timeout: str | None = None, failed: str | None = None
) -> Iterator[None]:
    """Foreign errors as AvatarCatalogue names them, with the words of the call."""
    with translated(
        unreachable=lambda: CatalogueUnreachable(unreachable),
        timeout=lambda: CatalogueTimeout(timeout),
        failed=lambda: CatalogueFailed(failed),
    ):
        try:
            yield
        except Busy as busy:
            raise CatalogueUnreachable(unreachable) from busy


def _require_ok(status: int) -> None:
    if status in BUSY:
        raise Busy
    if status != 200:
        raise BadAnswer(f"status {status}")


def _listed(answer: object) -> Mapping[AvatarName, Look]:
    if isinstance(answer, dict):
        if answer.get("status", "success") != "success":
            raise BadAnswer("no success")
        answer = answer.get("avatars")
    if isinstance(answer, list):
        answer = {name: None for name in answer if isinstance(name, str)}
    if not isinstance(answer, dict):
        raise BadAnswer("no list of avatars")
    return {name: _look(name, told) for text, told in answer.items() if (name := _name(text))}


def _name(text: object) -> AvatarName | None:
    try:
        return new_avatar_name(str(text))
    except InvalidAvatarName:
        return None


def _look(name: AvatarName, told: object) -> Look:
    if not isinstance(told, dict):
        return Look(description=f"Avatar: {name}")
    return Look(
        support_clone=_yes(told.get("support_clone")),
        description=_words(told.get("description")),
        status=_words(told.get("status")) or "active",
        timbre=_words(told.get("timbre")),
        tts_model=_words(told.get("tts_model")),
        avatar_model=_words(told.get("avatar_model")),
        avatar_blur=_yes(told.get("avatar_blur")),
        created_at=_words(told.get("created_at")) or None,
    )


def _yes(value: object) -> bool:
    return value.lower() in ("true", "1", "yes", "on") if isinstance(value, str) else bool(value)


def _words(value: object) -> str:
    return storable(value)[:TEXT_MAX] if isinstance(value, str) else ""


def _detail(body: bytes) -> str:
    """What it says is wrong: a text, or a list of fields with a text for each."""
    try:
        detail = decoded(body, _Refused).detail
    except BadAnswer:
        return ""
    if isinstance(detail, list):
        texts = (each.get("msg") for each in detail if isinstance(each, dict))
        detail = "; ".join(text for text in texts if isinstance(text, str))
    return storable(detail)[:DETAIL_MAX] if isinstance(detail, str) else ""


def _form(new: NewAvatar) -> Multipart:
    """Only what was said."""
    said = {
        "name": str(new.name),
        "avatar_blur": new.avatar_blur,
        "support_clone": new.support_clone,
        "timbre": new.timbre,
        "tts_model": new.tts_model,
        "avatar_model": new.avatar_model,
        "description": new.description,
        "ref_text": new.ref_text,
    }
    fields = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in said.items()
        if value is not None
    }
    clips = {"prompt_face": new.face, "prompt_voice": new.voice}
    files = {
        key: FilePart(clip.path, clip.size, f"{key}.{clip.extension}")
        for key, clip in clips.items()
        if clip is not None
    }
    return Multipart(fields, files)
