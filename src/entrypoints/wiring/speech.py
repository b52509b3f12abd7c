"""Replies as an avatar says them."""

from collections.abc import AsyncIterator

from dishka import Provider, Scope, provide
from redis.asyncio import Redis

from adapters.redis.speech_floor import RedisSpeechFloor
from application.avatars.confirm import ConfirmLease
from application.ports.avatar_instances import AvatarInstances
from application.ports.avatar_leases import AvatarLeases
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from application.ports.speech_floor import SpeechFloor
from application.speech.speaker import Speaker
from application.speech.voices import Voices


class SpeechProvider(Provider):
    scope = Scope.APP

    @provide
    def floor(self, redis: Redis) -> SpeechFloor:
        return RedisSpeechFloor(redis)

    @provide
    async def voices(
        self,
        leases: AvatarLeases,
        instances: AvatarInstances,
        confirm: ConfirmLease,
        floor: SpeechFloor,
        work: WorkFactory,
        clock: Clock,
    ) -> AsyncIterator[Voices]:
        voices = Voices(
            Speaker(leases=leases, instances=instances, confirm=confirm, floor=floor, work=work, clock=clock)
        )
        yield voices
        await voices.close()
