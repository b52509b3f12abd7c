"""Everybody outside: mail, and the machine's own clock, keys and processes."""

from collections.abc import AsyncIterator
from typing import NewType

import httpx
from dishka import Provider, Scope, provide
from redis.asyncio import Redis

from adapters.argon2.hasher import Argon2Hasher, share_of
from adapters.clock import SystemClock
from adapters.extraction.extractor import ProcessExtractor
from adapters.http.client import http_client
from adapters.http.lean import LeanTransport
from adapters.jwt.tokens import JwtTokens
from adapters.redis.mail import RedisMailbox
from adapters.smtp.mailer import SmtpMailer
from application.ports.clock import Clock
from application.ports.credentials import PasswordHasher, Tokens
from application.ports.extraction import Extractor
from application.ports.mail import Mailer
from entrypoints.settings import Settings

AvatarHttp = NewType("AvatarHttp", httpx.AsyncClient)  # their calls never take the connections of models


class GatewayProvider(Provider):
    scope = Scope.APP
    clock = provide(SystemClock, provides=Clock)

    @provide
    async def http(self, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
        lean = LeanTransport() if settings.http_transport == "lean" else None
        async with http_client(transport=lean) as client:
            yield client

    @provide
    async def avatar_http(self, settings: Settings) -> AsyncIterator[AvatarHttp]:
        lean = LeanTransport() if settings.http_transport == "lean" else None
        async with http_client(transport=lean) as client:
            yield AvatarHttp(client)

    @provide
    def extractor(self, settings: Settings) -> Extractor:
        return ProcessExtractor(
            max_pages=settings.max_document_pages,
            max_archive_ratio=settings.max_archive_ratio,
            max_archive_mb=settings.max_archive_mb,
        )

    @provide
    async def hasher(self, settings: Settings) -> AsyncIterator[PasswordHasher]:
        hasher = Argon2Hasher(share_of(settings.workers))
        yield hasher
        hasher.close()

    @provide
    def tokens(self, settings: Settings) -> Tokens:
        return JwtTokens(settings.jwt_secret_key, settings.jwt_secret_key_previous)

    @provide
    def mailer(self, redis: Redis, settings: Settings) -> Mailer:
        if settings.mail_server is None:
            return RedisMailbox(redis)
        return SmtpMailer(
            host=settings.mail_server,
            port=settings.mail_port,
            use_tls=settings.mail_use_tls,
            use_ssl=settings.mail_use_ssl,
            username=settings.mail_username,
            password=settings.mail_password,
            default_sender=settings.mail_default_sender or "",
        )
