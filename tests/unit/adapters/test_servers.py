"""The servers that tests and demonstrations lean on do what they say."""

import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from application.chat.prompt import with_documents
from domain.document import Hit
from tests.servers.http import HttpServer
from tests.servers.proxy import TcpProxy
from tests.servers.script import Script
from tests.servers.tutor import GENERAL, answer, pieces

HITS = [
    Hit(
        filename="biology.pdf",
        page=3,
        text="Leaves are green because chlorophyll reflects\ngreen light. Roots are not.",
        score=0.5,
    ),
    Hit(
        filename="handbook.pdf",
        page=None,
        text="The mid-term test counts for 30 percent. The weekly quiz counts for 20 percent",
        score=0.4,
    ),
]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How many percent does the weekly quiz count?", "“The weekly quiz counts for 20 percent” [2]"),
        ("Why are leaves green?", "“Leaves are green because chlorophyll reflects green light.” [1]"),
    ],
)
def test_an_answer_quotes_the_sentence_that_fits(question: str, said: str) -> None:
    assert answer(with_documents(question, HITS, "a81f03bc22de")) == f"Your document says: {said}"


def test_an_answer_without_quotes_is_general_and_without_a_fit_says_so() -> None:
    assert answer("What is entropy?") == GENERAL
    assert "do not answer" in answer(with_documents("What is entropy?", HITS, "a81f03bc22de"))


@pytest.mark.parametrize("text", [GENERAL, " a  b\n", "", "文档。", "a\n\n- b"])
def test_pieces_join_to_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_a_request_may_direct_the_script() -> None:
    assert Script().directed("Why? [[end=eof;gap=0.5;split=3]]") == Script(end="eof", gap=0.5, split=3)
    assert Script(gap=1).directed("Why?") == Script(gap=1)


async def test_a_proxy_delays_hangs_cuts_and_refuses() -> None:
    async with (
        HttpServer() as server,
        TcpProxy(("127.0.0.1", server.port)) as proxy,
        httpx.AsyncClient(
            trust_env=False, timeout=0.3, limits=httpx.Limits(max_keepalive_connections=0)
        ) as client,
    ):
        url = f"http://127.0.0.1:{proxy.port}/"
        assert (await client.get(url)).status_code == 404
        proxy.delay = 0.05
        assert (await client.get(url)).elapsed.total_seconds() >= 0.1
        proxy.delay = 0
        proxy.hang()
        with pytest.raises(httpx.ReadTimeout):
            await client.get(url)
        proxy.resume()
        assert (await client.get(url)).status_code == 404
        await proxy.refuse()
        with pytest.raises(httpx.ConnectError):
            await client.get(url)
        await proxy.accept()
        assert (await client.get(url)).status_code == 404


async def test_a_proxy_stands_before_unix_sockets_too(tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()

    async with (
        await asyncio.start_unix_server(echo, tmp_path / "far"),
        TcpProxy(tmp_path / "far", listen=tmp_path / "near"),
    ):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "near")
        writer.write(b"hello")
        assert await reader.read(100) == b"hello"
        writer.close()


@pytest.mark.parametrize("name", ["llm_service", "openai_chat", "rag_service"])
async def test_a_server_runs_as_a_process(name: str) -> None:
    root = Path(__file__).parents[3]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.servers.{name}", cwd=root, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), 20)).split()[-1].decode()
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(url + "/health")).status_code in (200, 404)
    finally:
        process.terminate()
        assert await process.wait() == 0
