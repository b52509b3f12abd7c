"""The reply engine and what students do with it."""

from dishka import Provider, Scope, provide, provide_all
from redis.asyncio import Redis

from adapters.redis.idempotency import RedisIdempotencyKeys
from adapters.redis.tickets import RedisTickets
from application.accounts.still_in import StillIn
from application.accounts.tickets import RedeemTicket
from application.chat.answer import Answer
from application.chat.ask import Ask
from application.chat.ask_once import AskOnce
from application.chat.audience import Audience
from application.chat.edit import EditQuestion
from application.chat.elsewhere import Elsewhere
from application.chat.engine import Replies
from application.chat.follow import FollowReply
from application.chat.heed import Heed
from application.chat.open_ticket import OpenTicket
from application.chat.regenerate import Regenerate
from application.chat.settle import SettleAbandoned, SettleReply
from application.chat.stop import StopReply
from application.chat.store_reply import StoreReply
from application.chat.take_turn import TakeTurn
from application.indexing.watch_files import WatchFiles
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.idempotency import IdempotencyKeys
from application.ports.metrics import ReplyMetrics
from application.ports.persistence import Reading, WorkFactory
from application.ports.replies import ReplyLogs, Runs
from application.ports.throttle import Throttle
from application.ports.tickets import Tickets
from application.speech.voices import Voices
from entrypoints.http.controllers.chat import Streaming
from entrypoints.http.event_stream import Logins, StreamTimes
from entrypoints.settings import Settings


class ChatProvider(Provider):
    scope = Scope.APP
    plain = provide_all(
        FollowReply,
        Heed,
        OpenTicket,
        RedeemTicket,
        Regenerate,
        SettleReply,
    )

    @provide
    def keys(self, redis: Redis) -> IdempotencyKeys:
        return RedisIdempotencyKeys(redis)

    @provide
    def tickets(self, redis: Redis) -> Tickets:
        return RedisTickets(redis)

    @provide
    def store_reply(self, work: WorkFactory, clock: Clock) -> StoreReply:
        return StoreReply(work=work, clock=clock)

    @provide
    def elsewhere(self, logs: ReplyLogs, calls: Calls, reading: Reading) -> Elsewhere:
        return Elsewhere(logs=logs, calls=calls, reading=reading)

    @provide
    def stop_reply(
        self,
        reading: Reading,
        replies: Replies,
        runs: Runs,
        calls: Calls,
        settle: SettleReply,
        voices: Voices,
    ) -> StopReply:
        return StopReply(
            reading=reading, replies=replies, runs=runs, calls=calls, settle=settle, hushed=voices.hushed
        )

    @provide
    def ask_once(self, ask: Ask, follow: FollowReply, keys: IdempotencyKeys, reading: Reading) -> AskOnce:
        return AskOnce(ask=ask, follow=follow, keys=keys, reading=reading)

    @provide
    def replies(
        self,
        answer: Answer,
        store: StoreReply,
        runs: Runs,
        logs: ReplyLogs,
        metrics: ReplyMetrics,
        voices: Voices,
        settings: Settings,
    ) -> Replies:
        return Replies(
            answer,
            store,
            runs,
            logs,
            metrics,
            detached_s=settings.detached_reply_seconds,
            accompany=voices.accompany,
        )

    @provide
    def settle_abandoned(
        self, reading: Reading, runs: Runs, replies: Replies, settle: SettleReply
    ) -> SettleAbandoned:
        return SettleAbandoned(reading=reading, runs=runs, replies=replies, settle=settle)

    @provide
    def take_turn(
        self,
        runs: Runs,
        replies: Replies,
        settle: SettleReply,
        calls: Calls,
        throttle: Throttle,
        reading: Reading,
        voices: Voices,
        settings: Settings,
    ) -> TakeTurn:
        return TakeTurn(
            runs=runs,
            replies=replies,
            settle=settle,
            calls=calls,
            throttle=throttle,
            reading=reading,
            hush=voices.hush,
            per_minute=settings.chat_rate_per_minute,
        )

    @provide
    def ask(
        self, work: WorkFactory, reading: Reading, take_turn: TakeTurn, clock: Clock, settings: Settings
    ) -> Ask:
        return Ask(
            work=work,
            reading=reading,
            take_turn=take_turn,
            clock=clock,
            max_chars=settings.chat_message_max_chars,
        )

    @provide
    def edit_question(
        self, work: WorkFactory, reading: Reading, take_turn: TakeTurn, clock: Clock, settings: Settings
    ) -> EditQuestion:
        return EditQuestion(
            work=work,
            reading=reading,
            take_turn=take_turn,
            clock=clock,
            max_chars=settings.chat_message_max_chars,
        )


class StreamProvider(Provider):
    """What only the web server needs of it."""

    scope = Scope.APP
    streaming = provide(Streaming)

    @provide
    def times(self, settings: Settings) -> StreamTimes:
        return StreamTimes(settings.stream_hold_seconds)

    @provide
    def audience(self, metrics: ReplyMetrics, settings: Settings) -> Audience:
        return Audience(metrics=metrics, heartbeat_s=settings.stream_heartbeat_seconds)

    @provide
    def watch_files(self, reading: Reading, audience: Audience) -> WatchFiles:
        return WatchFiles(reading=reading, audience=audience)

    @provide
    def logins(self, still_in: StillIn, times: StreamTimes) -> Logins:
        return Logins(still_in, times.revocation_check_s)
