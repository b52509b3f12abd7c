"""What is known about people: where it lies, how they get a copy of it, and how it goes."""

from collections.abc import Sequence
from typing import NewType

from dishka import Provider, Scope, provide, provide_all
from redis.asyncio import Redis

from adapters.redis.traces import RedisTraces
from adapters.sql.index_traces import SqlIndexTraces
from adapters.sql.personal_data import SqlPersonalRecords
from adapters.zip.archives import ZipArchives
from application.accounts.delete_account import DeleteAccount
from application.personal_data.ask_for_export import AskForExport
from application.personal_data.erase_account import EraseAccount
from application.personal_data.expire_export import ExpireExport
from application.personal_data.export_account import ExportAccount
from application.personal_data.exports import KeptExports
from application.personal_data.fetch_export import FetchExport
from application.personal_data.files import PersonalFiles
from application.personal_data.login import LoginTraces
from application.personal_data.pictures import ProfilePictures
from application.personal_data.replies import RunningReplies
from application.ports.archives import Archives
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.full_text import FullText
from application.ports.persistence import WorkFactory
from application.ports.personal_data import PersonalRecords, PersonalStore
from application.ports.replies import ReplyLogs, Runs
from entrypoints.settings import Settings
from entrypoints.wiring.persistence import Sessions

PersonalStores = NewType("PersonalStores", Sequence[PersonalStore])


class PersonalDataProvider(Provider):
    scope = Scope.APP
    each = provide_all(LoginTraces, PersonalFiles, ProfilePictures, KeptExports)
    plain = provide_all(AskForExport, DeleteAccount, ExpireExport, ExportAccount, FetchExport)

    @provide
    def replies(self, calls: Calls, runs: Runs, logs: ReplyLogs) -> RunningReplies:
        return RunningReplies(calls=calls, runs=runs, logs=logs)

    @provide
    def traces(self, redis: Redis) -> RedisTraces:
        return RedisTraces(redis)

    @provide
    def index_traces(self, sessions: Sessions, full_text: FullText) -> SqlIndexTraces:
        return SqlIndexTraces(sessions.writing, full_text)

    @provide
    def stores(
        self,
        replies: RunningReplies,
        login: LoginTraces,
        traces: RedisTraces,
        files: PersonalFiles,
        index: SqlIndexTraces,
        pictures: ProfilePictures,
        exports: KeptExports,
    ) -> PersonalStores:
        """Every place where things of a person may lie, besides the database: docs/personal-data.md."""
        return PersonalStores((replies, login, traces, files, index, pictures, exports))

    @provide
    def erase_account(self, work: WorkFactory, stores: PersonalStores, clock: Clock) -> EraseAccount:
        return EraseAccount(work=work, stores=stores, clock=clock)

    @provide
    def records(self, sessions: Sessions) -> PersonalRecords:
        return SqlPersonalRecords(sessions.reading)

    @provide
    def archives(self, settings: Settings) -> Archives:
        return ZipArchives(settings.data_dir / "run")
