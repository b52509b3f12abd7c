"""What workers share through Redis, and the keys to it."""

import os
import socket
from collections.abc import AsyncIterator
from typing import NewType
from uuid import uuid4

from dishka import Provider, Scope, provide
from redis.asyncio import Redis

from adapters.redis.active_model import RedisActiveModel
from adapters.redis.calls import RedisCalls
from adapters.redis.client import connect
from adapters.redis.codes import RedisCodes
from adapters.redis.health import RedisProbe
from adapters.redis.keyed import Keyed
from adapters.redis.login_sessions import RedisLoginSessions
from adapters.redis.mail import RedisMailbox, RedisOutbox
from adapters.redis.replies import RedisReplyLogs, RedisRuns
from adapters.redis.throttle import RedisThrottle
from adapters.redis.wakeup import RedisWakeup
from application.ports.active_model import ActiveModel
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.codes import Codes
from application.ports.login_sessions import LoginSessions
from application.ports.mail import Mailbox, Outbox
from application.ports.replies import ReplyLogs, Runs
from application.ports.throttle import Throttle
from application.ports.wakeup import Wakeup
from entrypoints.settings import Settings

WaitingRedis = NewType("WaitingRedis", Redis)  # for calls that wait on the server's side
WorkerId = NewType("WorkerId", str)

DOCUMENTS_BELL = "jobs:bell:documents"


class SharedStateProvider(Provider):
    scope = Scope.APP

    @provide
    async def redis(self, settings: Settings) -> AsyncIterator[Redis]:
        async with connect(settings.redis_url) as redis:
            yield redis

    @provide
    async def waiting_redis(self, settings: Settings) -> AsyncIterator[WaitingRedis]:
        async with connect(settings.redis_url, max_connections=24, answer_s=10) as redis:
            yield WaitingRedis(redis)

    @provide
    def worker_id(self) -> WorkerId:
        return WorkerId(f"{socket.gethostname()[:40]}-{os.getpid()}-{uuid4().hex[:8]}")

    @provide
    def login_sessions(self, redis: Redis, settings: Settings) -> LoginSessions:
        return RedisLoginSessions(redis, settings.redis_token_ttl_seconds)

    @provide
    def codes(self, redis: Redis, settings: Settings) -> Codes:
        return RedisCodes(redis, Keyed.derived(settings.secret_key, "codes"))

    @provide
    def throttle(self, redis: Redis, settings: Settings) -> Throttle:
        return RedisThrottle(redis, Keyed.derived(settings.secret_key, "limits"))

    @provide
    def outbox(self, redis: WaitingRedis, settings: Settings, clock: Clock) -> Outbox:
        return RedisOutbox(redis, Keyed.derived(settings.secret_key, "mail").cipher(), clock)

    @provide
    def mailbox(self, redis: Redis) -> Mailbox:
        return RedisMailbox(redis)

    @provide
    def runs(self, redis: Redis, worker: WorkerId) -> Runs:
        return RedisRuns(redis, worker)

    @provide
    def logs(self, redis: Redis) -> ReplyLogs:
        return RedisReplyLogs(redis)

    @provide
    async def calls(self, redis: Redis, waiting: WaitingRedis, settings: Settings) -> AsyncIterator[Calls]:
        async with connect(settings.redis_url, max_connections=1) as listening:
            yield RedisCalls(redis, listening, waiting)

    @provide
    def wakeup(self, redis: WaitingRedis) -> Wakeup:
        return RedisWakeup(redis, others=(DOCUMENTS_BELL,))

    @provide
    def active_model(self, redis: Redis, settings: Settings) -> ActiveModel:
        return RedisActiveModel(redis, settings.llm_url)

    @provide
    def probe(self, redis: Redis) -> RedisProbe:
        return RedisProbe(redis)
