"""Who does which jobs, and who orders them anew or cancels them."""

from datetime import timedelta
from typing import NewType

from dishka import Provider, Scope, provide, provide_all

from adapters.redis.wakeup import RedisWakeup
from application.accounts.send_mail import SendMail
from application.files.erase_file import EraseFile
from application.files.sweep_orphans import PlanSweep, SweepOrphans
from application.indexing.cancel_indexing import CancelIndexing
from application.indexing.index_document import IndexDocument
from application.indexing.reindex_document import ReindexDocument
from application.jobs.doubt import Doubt
from application.jobs.work_off import WorkOff
from application.personal_data.erase_account import EraseAccount
from application.personal_data.expire_export import ExpireExport
from application.personal_data.export_account import ExportAccount
from application.personal_data.renew_archives import RenewArchives
from application.ports.blob_register import BlobRegister
from application.ports.blobs import Blobs
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.full_text import FullText
from application.ports.knowledge import Knowledge
from application.ports.mail import Mailer
from application.ports.metrics import JobMetrics
from application.ports.persistence import JobQueue, Reading, WorkFactory
from application.ports.replies import ReplyLogs
from application.ports.wakeup import Wakeup
from application.retention.expire_log import ExpireLog
from application.retention.expire_sessions import ExpireSessions
from application.retention.forget_jobs import ForgetSettledJobs
from application.retention.plan import PlanExpiry, PortionByPortion
from domain.document import FileId
from domain.export import ExportId
from domain.job import Job, JobKind
from domain.user import UserId
from entrypoints.settings import Settings
from entrypoints.wiring.shared_state import DOCUMENTS_BELL, WaitingRedis, WorkerId

# by themselves: a mail server that hangs holds up nothing else, nor does a long document
MailJobs = NewType("MailJobs", WorkOff)
DocumentJobs = NewType("DocumentJobs", WorkOff)

DOCUMENTS_OF_ONE = 2  # of one user at a time, so that others always find somebody free


class JobsProvider(Provider):
    scope = Scope.APP
    plain = provide_all(
        CancelIndexing, Doubt, ForgetSettledJobs, PlanExpiry, PlanSweep, ReindexDocument, RenewArchives
    )

    @provide
    def work_off(
        self,
        queue: JobQueue,
        wakeup: Wakeup,
        clock: Clock,
        worker: WorkerId,
        metrics: JobMetrics,
        erase_account: EraseAccount,
        export_account: ExportAccount,
        expire_export: ExpireExport,
        erase_file: EraseFile,
        full_text: FullText,
        sweep_orphans: SweepOrphans,
        renew_archives: RenewArchives,
        forget_settled_jobs: ForgetSettledJobs,
        expire_log: ExpireLog,
        expire_sessions: ExpireSessions,
        plan_expiry: PlanExpiry,
        doubt: Doubt,
    ) -> WorkOff:
        async def erase(job: Job) -> None:
            await erase_account(job.payload)

        async def export(job: Job) -> None:
            await export_account(ExportId(job.number("export_id")), last_try=job.is_last_try)

        async def give_up_export(job: Job) -> None:
            await export_account.give_up(ExportId(job.number("export_id")))

        async def expire(job: Job) -> None:
            await expire_export(ExportId(job.number("export_id")))

        async def erase_one(job: Job) -> None:
            await erase_file(FileId(job.number("file_id")))

        async def sweep(job: Job) -> None:
            await queue.spare(JobKind.SWEEP_FULL_TEXT, clock.now())  # one for all that has gone by now
            await full_text.sweep()

        async def sweep_blobs(job: Job) -> None:
            await sweep_orphans(set(job.words("suspects")))

        async def renew(job: Job) -> None:
            await renew_archives(UserId(job.number("user_id")), job.moment("since"))

        return WorkOff(
            queue=queue,
            wakeup=wakeup,
            clock=clock,
            doing={
                JobKind.ERASE_ACCOUNT: erase,
                JobKind.ERASE_FILE: erase_one,
                JobKind.SWEEP_FULL_TEXT: sweep,
                JobKind.SWEEP_ORPHANS: sweep_blobs,
                JobKind.EXPORT_ACCOUNT: export,
                JobKind.EXPIRE_EXPORT: expire,
                JobKind.RENEW_ARCHIVES: renew,
                JobKind.FORGET_JOBS: PortionByPortion(forget_settled_jobs, plan_expiry),
                JobKind.EXPIRE_LOG: PortionByPortion(expire_log, plan_expiry),
                JobKind.EXPIRE_SESSIONS: PortionByPortion(expire_sessions, plan_expiry),
            },
            giving_up={JobKind.EXPORT_ACCOUNT: give_up_export},
            worker=worker,
            metrics=metrics,
            doubt=doubt,
        )

    @provide
    def sweep_orphans(
        self,
        work: WorkFactory,
        register: BlobRegister,
        blobs: Blobs,
        calls: Calls,
        clock: Clock,
        settings: Settings,
    ) -> SweepOrphans:
        erases = settings.sweep_orphans == "erase"
        return SweepOrphans(
            work=work, register=register, blobs=blobs, calls=calls, clock=clock, erases=erases
        )

    @provide
    def expire_log(self, work: WorkFactory, clock: Clock, settings: Settings) -> ExpireLog:
        return ExpireLog(work=work, clock=clock, keep=_days(settings.audit_keep_days))

    @provide
    def expire_sessions(
        self,
        work: WorkFactory,
        reading: Reading,
        calls: Calls,
        logs: ReplyLogs,
        wakeup: Wakeup,
        clock: Clock,
        settings: Settings,
    ) -> ExpireSessions:
        keep = _days(settings.session_keep_days)
        return ExpireSessions(
            work=work, reading=reading, calls=calls, logs=logs, wakeup=wakeup, clock=clock, keep=keep
        )

    @provide
    def index_document(
        self, work: WorkFactory, knowledge: Knowledge, calls: Calls, clock: Clock
    ) -> IndexDocument:
        return IndexDocument(work=work, knowledge=knowledge, calls=calls, clock=clock)

    @provide
    def document_jobs(
        self,
        queue: JobQueue,
        redis: WaitingRedis,
        clock: Clock,
        worker: WorkerId,
        metrics: JobMetrics,
        index_document: IndexDocument,
        doubt: Doubt,
    ) -> DocumentJobs:
        async def index(job: Job) -> None:
            await index_document(FileId(job.number("file_id")), job)

        async def give_up(job: Job) -> None:
            await index_document.give_up(FileId(job.number("file_id")))

        documents = WorkOff(
            queue=queue,
            wakeup=RedisWakeup(redis, DOCUMENTS_BELL),
            clock=clock,
            doing={JobKind.INDEX_DOCUMENT: index},
            giving_up={JobKind.INDEX_DOCUMENT: give_up},
            worker=worker,
            metrics=metrics,
            at_once=DOCUMENTS_OF_ONE,
            doubt=doubt,
        )
        return DocumentJobs(documents)

    @provide
    def mail_jobs(
        self,
        queue: JobQueue,
        redis: WaitingRedis,
        clock: Clock,
        worker: WorkerId,
        mailer: Mailer,
        metrics: JobMetrics,
        settings: Settings,
    ) -> MailJobs:
        bell = RedisWakeup(redis, "jobs:bell:mail")  # whoever hears the other one is expected to do any job
        send_mail = SendMail(
            mailer=mailer, clock=clock, retry_for=timedelta(seconds=settings.mail_retry_seconds)
        )

        async def send(job: Job) -> None:
            await send_mail(job.payload)

        doing = {JobKind.SEND_MAIL: send}
        mails = WorkOff(queue=queue, wakeup=bell, clock=clock, doing=doing, worker=worker, metrics=metrics)
        return MailJobs(mails)


def _days(kept: int) -> timedelta | None:
    """None: for ever."""
    return timedelta(days=kept) if kept else None
