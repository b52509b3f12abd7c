"""A RAG service: the product's own index behind the RAG service protocol, in a process of its own, so that
what the protocol itself costs and loses can be measured.

    .venv/bin/python -m bench.retrieval.rag_service [--port 8200] [--embedder embedded-minilm]

Keeps what it is given in a folder that is thrown away, and ends with its standard input.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typing_extensions import override

from bench.retrieval.indexes import Library, library
from domain.document import FileId, Hit, StoredFile
from domain.errors import DomainError
from domain.user import UserId
from tests.servers.http import Exchange, HttpServer, Received

PUBLIC = ""


class IndexServer(HttpServer):
    """Readers are known by the numbers that the client gives them."""

    def __init__(self, port: int, own: Library) -> None:
        super().__init__(port)
        self._own = own
        self._readers: dict[str, UserId] = {}
        self._files: dict[FileId, tuple[str, StoredFile]] = {}  # by whose base they are of

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        try:
            match request.method, request.path:
                case "POST", ("/user/upload" | "/admin/upload"):
                    await exchange.json(200, await self._uploaded(request))
                case "POST", ("/user/delete" | "/admin/delete"):
                    await exchange.json(200, await self._deleted(request))
                case "POST", "/retriever":
                    await exchange.json(200, {"hits": await self._hits(request.json())})
                case _:
                    await exchange.page(404, "Not Found")
        except DomainError as error:
            await exchange.json(500, {"error": True, "message": error.msg})

    async def _uploaded(self, request: Received) -> dict[str, object]:
        fields, files = request.form()
        whose = PUBLIC if request.path.startswith("/admin") else fields["user_id"]
        name = files["file"].name
        owner = await self._reader(whose) if whose else None
        file = await self._own.stored(owner, name, files["file"].content)
        report = await self._own.knowledge.index(file)
        self._files[file.id] = (whose, file)
        return {
            "admin": not whose,
            "user_id": whose,
            "page_collection": f"kb_user_{whose}_page",
            "chunk_collection": f"kb_user_{whose}_chunk",
            "ingest_file": name,
            "page_count": report.page_count,
            "page_embs_num": report.page_count,
            "chunk_embs_num": report.chunk_embs_num,
        }

    async def _deleted(self, request: Received) -> dict[str, int]:
        fields, _ = request.form()
        meant = (PUBLIC if request.path.startswith("/admin") else fields["user_id"], fields["source_name"])
        files = [file for whose, file in self._files.values() if (whose, file.original_name) == meant]
        erased = [await self._own.knowledge.forget(file) for file in files]
        for file in files:
            del self._files[file.id]
        return {"deleted_page_embs": len(files), "deleted_chunks": sum(each.chunks for each in erased)}

    async def _hits(self, asked: dict[str, object]) -> list[dict[str, object]]:
        """In the order of the index, as far as the shares of the two bases allow."""
        left = {"personal": int(str(asked["personal_k"])), "public": int(str(asked["public_k"]))}
        reader = await self._reader(str(asked["user_id"]))
        found = await self._own.knowledge.find(str(asked["question"]), reader, sum(left.values()) * 2)
        told: list[dict[str, object]] = []
        for rank, hit in enumerate(found):
            base = "personal" if self._is_personal(hit) else "public"
            left[base] -= 1
            if left[base] >= 0:
                told.append(
                    {
                        "text": hit.text,
                        "source": hit.filename,
                        "page_num": hit.page,
                        "first_score": hit.similarity,
                        "second_score": hit.similarity,
                        "final_score": 1 / (1 + rank),
                        "knowledge_base": base,
                    }
                )
        return told[: int(str(asked["final_k"]))]

    def _is_personal(self, hit: Hit) -> bool:
        return hit.file_id is not None and self._files[hit.file_id][0] != PUBLIC

    async def _reader(self, number: str) -> UserId:
        if number not in self._readers:
            self._readers[number] = await self._own.reader(f"reader-{number}@example.org")
        return self._readers[number]


@contextmanager
def rag_service(embedder: str) -> Iterator[str]:
    """Its URL, as long as it is needed."""
    command = [sys.executable, "-m", "bench.retrieval.rag_service", "--embedder", embedder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield child.stdout.readline().strip()
        # leaving closes its standard input


async def _serve(port: int, embedder: str) -> None:
    with tempfile.TemporaryDirectory(prefix="vt-bench-rag-") as folder:
        async with library(Path(folder), EMBEDDING_MODEL=embedder) as own, IndexServer(port, own) as server:
            print(server.url, flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--embedder", default="embedded-minilm")
    given = parser.parse_args()
    asyncio.run(_serve(given.port, given.embedder))
