"""Which avatars there are, and what they can speak with."""

from collections.abc import AsyncIterator

import httpx
from dishka import Provider, Scope, provide
from redis.asyncio import Redis

from adapters.disk.voices import FileVoices
from adapters.http.live_server import LiveServer
from adapters.redis.catalogue_copies import RedisCatalogueCopies
from application.avatars.absent_catalogue import AbsentCatalogue
from application.avatars.add_avatar import AddAvatar
from application.avatars.built_in_voices import BuiltInVoices
from application.avatars.cached_catalogue import CachedCatalogue
from application.avatars.delete_avatar import DeleteAvatar
from application.ports.avatar_catalogue import AvatarCatalogue
from application.ports.scanner import Scanner
from application.ports.voices import Voices
from domain.catalogue import Part
from entrypoints.settings import Settings
from entrypoints.wiring.gateways import AvatarHttp


def catalogue_at(http: httpx.AsyncClient, settings: Settings) -> AvatarCatalogue:
    """The live server, or our own Avatar Manager, which speaks for both."""
    if not settings.avatars_are_embedded:
        return LiveServer(http, settings.live_server_url or "")
    if settings.embedded_avatars is None:
        return AbsentCatalogue()
    return LiveServer(http, *settings.embedded_avatars)


class AvatarCatalogueProvider(Provider):
    scope = Scope.APP
    delete_avatar = provide(DeleteAvatar)

    @provide
    async def catalogue(
        self, http: AvatarHttp, redis: Redis, settings: Settings
    ) -> AsyncIterator[AvatarCatalogue]:
        server = "embedded" if settings.avatars_are_embedded else settings.live_server_url or ""
        catalogue = CachedCatalogue(catalogue_at(http, settings), RedisCatalogueCopies(redis, server))
        yield catalogue
        await catalogue.close()

    @provide
    def add_avatar(self, catalogue: AvatarCatalogue, scanner: Scanner, settings: Settings) -> AddAvatar:
        largest = {Part.FACE: settings.max_avatar_clip_mb, Part.VOICE: settings.max_audio_mb}
        return AddAvatar(catalogue=catalogue, scanner=scanner, max_mb=largest)

    @provide
    def voices(self, settings: Settings) -> Voices:
        return FileVoices(settings.tts_models_file) if settings.tts_models_file else BuiltInVoices()
