"""The demo passes on the default parts, and with each part replaced by a networked one (docs/adapters.md)."""

import asyncio
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from entrypoints.cli.journey import CODE, Journey, mailbox_code, read_expectations
from tests.integration.served import NO_AVATARS, served
from tests.servers.llm_service import LlmServiceServer
from tests.servers.openai_chat import OpenAiChatServer
from tests.servers.rag_service import RagServiceServer
from tests.servers.smtp import SmtpServer
from tests.tcp_valkey import tcp_valkey

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
EXPECTATIONS = read_expectations(SAMPLES / "ocean-science.pdf", SAMPLES / "questions.json")


def plain(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def travel(
    folder: Path,
    fetch_code: Callable[[str], str] | None = None,
    *,
    pronoun: bool = False,
    **environ: str,
) -> None:
    """Start the product with these settings and drive the whole journey. It meets no avatar: they are there
    with the default parts only."""
    around = {**NO_AVATARS, **environ} if environ else {}
    async with served(folder, **around) as one:
        journey = Journey(
            one.house.url, EXPECTATIONS, fetch_code or mailbox_code(one.house.url), pronoun=pronoun
        )
        await asyncio.to_thread(journey.travel)


async def test_on_the_default_parts(tmp_path: Path) -> None:
    await travel(tmp_path)


async def test_with_an_openai_compatible_model(tmp_path: Path) -> None:
    async with OpenAiChatServer(api_key="of the model") as model:
        await travel(
            tmp_path,
            LLM_URL=f"openai+{model.url}/v1",
            LLM_MODEL="small-tutor",
            LLM_API_KEY="of the model",
            GROUNDING="strict",
        )


async def test_with_the_rag_service(tmp_path: Path) -> None:
    async with RagServiceServer() as documents:
        await travel(tmp_path, RAG_URL=documents.url, pronoun=True)


async def test_with_the_llm_service_postgresql_an_external_redis_and_real_mail(
    tmp_path: Path, postgresql_database: str
) -> None:
    async with SmtpServer() as sink, LlmServiceServer() as model:

        def from_the_sink(email: str) -> str:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                for mail in sink.mails:
                    if email in mail.to and (code := CODE.search(plain(mail.message))):
                        return code[0]
                time.sleep(0.1)
            raise AssertionError(f"no mail for {email}")

        with tcp_valkey() as redis_url:
            await travel(
                tmp_path,
                from_the_sink,
                LLM_URL=model.url,
                GROUNDING="strict",
                DATABASE_URL=postgresql_database,
                REDIS_URL=redis_url,
                MAIL_SERVER="127.0.0.1",
                MAIL_PORT=str(sink.port),
                MAIL_USE_TLS="false",
                MAIL_DEFAULT_SENDER="Tutor <tutor@example.org>",
            )
