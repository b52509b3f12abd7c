"""Which avatars there are, what they look like, and what they can speak with."""

from functools import partial
from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Schema

from application.accounts.authenticate import Caller
from application.avatars.add_avatar import AddAvatar, Sent, Wish
from application.avatars.delete_avatar import DeleteAvatar
from application.ports.avatar_catalogue import AvatarCatalogue
from application.ports.voices import Voices
from domain.avatar import avatar_name
from domain.catalogue import DESCRIPTION_MAX, REFERENCE_MAX, Look, Part
from domain.errors import MissingField
from entrypoints.http.bodies import UNSENT_WORDS, Form, any_name, form_boolean, form_of
from entrypoints.http.documentation import FILE, at_most, errors, file_body, flag, form_body, operation
from entrypoints.http.policy import TUTOR, USER

NAME = Schema(type=OpenAPIType.STRING, pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
STYLE = Schema(type=OpenAPIType.STRING, pattern="^[A-Za-z0-9 ._+-]{0,64}$")
MODEL = Schema(type=OpenAPIType.STRING, enum=["MuseTalk", "Wav2Lip", "SyncNet"])
PREVIEW = ResponseSpec(bytes, media_type="image/*", generate_examples=False, description="The picture.")


class LookItem(msgspec.Struct):
    """An avatar. An older catalogue knows names alone, and neither blur nor date."""

    clone: bool
    description: str
    status: str
    timbre: str
    tts_model: str
    avatar_model: str
    support_clone: bool | msgspec.UnsetType = msgspec.UNSET
    avatar_blur: bool | msgspec.UnsetType = msgspec.UNSET
    created_at: str | msgspec.UnsetType | None = msgspec.UNSET


class VoiceItem(msgspec.Struct):
    """A speech model; one that clones has no timbres of its own."""

    full_name: str
    clone: bool
    status: str
    license: str
    timbres: list[str] | None
    cur_timbre: str | None


class Created(msgspec.Struct):
    """`image_path` is the base name of its picture, "" when that is not known."""

    status: str
    message: str
    image_path: str
    avatar_name: str


class Removed(msgspec.Struct):
    status: str
    message: str


class CatalogueController(Controller):
    path = "/api"
    tags = ("avatars",)
    security = ({"token": []},)

    @get("/avatar/list", opt=USER, operation_class=operation(), responses=errors(502, 504, token=True))
    async def avatar_list(self, catalogue: FromDishka[AvatarCatalogue]) -> dict[str, LookItem]:
        """The avatars that can be started, by name."""
        return {name: _item(look) for name, look in (await catalogue.avatars()).items()}

    @post(
        "/avatar/preview",
        status_code=200,
        opt=USER,
        operation_class=operation(form_body({"avatar_name": NAME}, ["avatar_name"])),
        responses={200: PREVIEW, **errors(404, 502, 504, token=True, body=True)},
    )
    async def avatar_preview(
        self, request: Request[Any, Any, State], catalogue: FromDishka[AvatarCatalogue]
    ) -> Response[bytes]:
        """What an avatar looks like."""
        async with form_of(request) as form:
            name = _required(form, "avatar_name", "Missing avatar_name in form-data")
        picture = await catalogue.preview(avatar_name(name))
        headers = {"Content-Security-Policy": "sandbox; default-src 'none'"}
        return Response(picture.content, media_type=picture.media_type, headers=headers)

    @get("/tts/models", opt=USER, operation_class=operation(), responses=errors(404, token=True))
    async def tts_models(self, voices: FromDishka[Voices]) -> dict[str, VoiceItem]:
        """What avatars can speak with."""
        return {
            key: VoiceItem(
                full_name=voice.full_name,
                clone=voice.clone,
                status=voice.status,
                license=voice.license,
                timbres=None if voice.clone or voice.timbres is None else list(voice.timbres),
                cur_timbre=None if voice.clone else voice.cur_timbre,
            )
            for key, voice in (await voices.all()).items()
        }

    @post(
        "/avatar/add",
        status_code=200,
        opt=TUTOR,
        operation_class=operation(
            file_body(
                {
                    "name": NAME,
                    "prompt_face": FILE,
                    "prompt_voice": FILE,
                    "avatar_blur": flag(False),
                    "support_clone": flag(False),
                    "timbre": STYLE,
                    "tts_model": STYLE,
                    "avatar_model": MODEL,
                    "description": at_most(DESCRIPTION_MAX),
                    "ref_text": at_most(REFERENCE_MAX),
                },
                ["name", "prompt_face"],
            )
        ),
        responses=errors(403, 502, 504, token=True, body=True),
    )
    async def add_avatar(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        add_avatar: FromDishka[AddAvatar],
    ) -> Created:
        """Have an avatar made of a clip of a face, and maybe of a voice. It takes minutes; the list may know
        of it a little later."""
        parts = {part.value: any_name(partial(add_avatar.require_size, part)) for part in Part}
        async with form_of(request, parts) as form:
            wish = _wish(form)
            added = await add_avatar(caller.account, wish)
        return Created("success", added.message, added.image, wish.name or "")

    @post(
        "/avatar/delete",
        status_code=200,
        opt=TUTOR,
        operation_class=operation(form_body({"name": NAME}, ["name"])),
        responses=errors(403, 502, 504, token=True, body=True),
    )
    async def delete_avatar(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        delete_avatar: FromDishka[DeleteAvatar],
    ) -> Removed:
        """Remove an avatar from the catalogue, for everybody."""
        async with form_of(request) as form:
            name = _required(form, "name", "Missing 'name' in form-data")
        return Removed("success", await delete_avatar(caller.account, name))


def _item(look: Look) -> LookItem:
    item = LookItem(
        clone=bool(look.support_clone),
        description=look.description,
        status=look.status,
        timbre=look.timbre,
        tts_model=look.tts_model,
        avatar_model=look.avatar_model,
    )
    if look.support_clone is not None:
        item.support_clone, item.avatar_blur = look.support_clone, bool(look.avatar_blur)
        item.created_at = look.created_at
    return item


def _required(form: Form, field: str, refusal: str) -> str:
    value = form.get(field)
    if value is None:
        raise MissingField(refusal)
    return value


def _wish(form: Form) -> Wish:
    """Empty files are none, and "null" is nothing."""

    def said(field: str) -> str | None:
        value = form.text(field)
        return None if value in UNSENT_WORDS else value

    return Wish(
        name=form.get("name"),
        files={part: Sent(file.name, file.path, file.size) for part, file in form.files.items() if file.size},
        avatar_blur=form_boolean(form.get("avatar_blur"), "avatar_blur"),
        support_clone=form_boolean(form.get("support_clone"), "support_clone"),
        timbre=said("timbre"),
        tts_model=said("tts_model"),
        avatar_model=said("avatar_model"),
        description=said("description"),
        ref_text=said("ref_text"),
    )
