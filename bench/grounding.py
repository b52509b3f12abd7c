"""How truthful is the embedded stack? Indexes the sample documents with the real parts, asks the real small
model every question of `docs/samples/questions.json` and prints what was right, what abstained and how long
it took.

`python bench/grounding.py [--verbose] [--only TEXT] [--questions bench/more_questions.json]`
"""

import argparse
import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent)]

from adapters.disk.blobs import DiskBlobs  # noqa: E402 (the path is set above)
from adapters.extraction.extractor import ProcessExtractor  # noqa: E402 (the path is set above)
from adapters.onnx.embedder import MiniLmEmbedder  # noqa: E402 (the path is set above)
from application.chat.prompt import (  # noqa: E402 (the path is set above)
    GROUNDED_MAX_TOKENS,
    GROUNDED_SYSTEM_PROMPT,
    GROUNDED_TEMPERATURE,
    with_documents,
)
from application.retrieval.extractive import NOT_ANSWERED  # noqa: E402 (the path is set above)
from application.retrieval.gate import answering  # noqa: E402 (the path is set above)
from application.retrieval.grounding import grounded  # noqa: E402 (the path is set above)
from application.retrieval.nearness import with_nearness  # noqa: E402 (the path is set above)
from application.retrieval.own_index import OwnIndex  # noqa: E402 (the path is set above)
from application.retrieval.trigger import trigger  # noqa: E402 (the path is set above)
from domain.document import FileId, FileKind, Hit, StoredFile  # noqa: E402 (the path is set above)
from domain.user import UserId  # noqa: E402 (the path is set above)
from entrypoints.children.weights import bundled_model  # noqa: E402 (the path is set above)
from tests.fakes.passages import FakePassages  # noqa: E402 (the path is set above)

SAMPLES = HERE.parent / "docs" / "samples"
READER = UserId(1)


@dataclass
class Model:
    url: str
    key: str
    client: httpx.AsyncClient
    said: str = ""

    async def stream(self, question: str, hits: list[Hit]) -> AsyncGenerator[str]:
        self.said = ""
        body = {
            "messages": [
                {"role": "system", "content": GROUNDED_SYSTEM_PROMPT},
                {"role": "user", "content": with_documents(question, hits, secrets.token_hex(4))},
            ],
            "stream": True,
            "max_tokens": GROUNDED_MAX_TOKENS,
            "temperature": GROUNDED_TEMPERATURE,
        }
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.client.stream(
            "POST", f"{self.url}/v1/chat/completions", json=body, headers=headers
        ) as got:
            got.raise_for_status()
            async for line in got.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                piece = json.loads(line[6:])["choices"][0]["delta"].get("content")
                if piece:
                    self.said += piece
                    yield piece


@dataclass
class Outcome:
    answer: str
    first: float
    total: float
    said: str
    found: list[Hit]
    passing: list[Hit]


async def judged(index: OwnIndex, question: str) -> list[Hit]:
    return await with_nearness(index.embedder, question, await index.find(question, READER))


async def ask(index: OwnIndex, model: Model, question: str) -> Outcome:
    start = time.perf_counter()
    found = await judged(index, question)
    passing = answering(question, found)
    if not passing:
        return Outcome(
            NOT_ANSWERED, time.perf_counter() - start, time.perf_counter() - start, "", found, passing
        )
    parts: list[str] = []
    first = 0.0
    async with aclosing(
        grounded(model.stream(question, passing), question, passing, set[int]().update)
    ) as pieces:
        async for piece in pieces:
            first = first or time.perf_counter() - start
            parts.append(piece)
    return Outcome("".join(parts), first, time.perf_counter() - start, model.said, found, passing)


async def indexed(folder: Path, names: list[str]) -> tuple[OwnIndex, MiniLmEmbedder]:
    embedder = MiniLmEmbedder()
    files = {FileId(number): name for number, name in enumerate(names, 1)}
    index = OwnIndex(FakePassages(files), embedder, ProcessExtractor(), DiskBlobs(folder))
    for number, name in files.items():
        content = (SAMPLES / name).read_bytes()

        async def pieces(content: bytes = content) -> AsyncGenerator[bytes]:
            yield content

        disk_name = f"{number:032x}"
        await index.blobs.put(disk_name, pieces())
        file = StoredFile(
            user_id=READER,
            original_name=name,
            stored_name=name,
            disk_name=disk_name,
            kind=FileKind.DOCUMENT,
            mime="",
            size=len(content),
            sha256="",
            created_at=datetime.now(UTC),
        )
        file.id = number
        await index.index(file)
    return index, embedder


def started(threads: int) -> tuple[subprocess.Popen[bytes], str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = secrets.token_hex(16)
    child = subprocess.Popen(
        [sys.executable, "-m", "entrypoints.children.model_server"]  # noqa: RUF005 (one option a pair)
        + ["--model", str(bundled_model()), "--port", str(port), "--threads", str(threads)],
        env={**os.environ, "PYTHONPATH": str(HERE.parent / "src"), "VIRTUAL_TUTOR_MODEL_KEY": key},
    )
    return child, f"http://127.0.0.1:{port}", key


async def ready(client: httpx.AsyncClient, url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if (await client.get(f"{url}/health")).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.05)
    raise SystemExit("the model server did not start")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--questions", type=Path, default=SAMPLES / "questions.json")
    given = parser.parse_args()
    asked = json.loads(given.questions.read_text(encoding="utf-8"))
    child, url, key = started(given.threads)
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with httpx.AsyncClient(timeout=120) as client:
                index, embedder = await indexed(Path(folder), list(asked["documents"]))
                await ready(client, url)
                await report(index, Model(url, key, client), asked, given.only, given.verbose)
                embedder.close()
    finally:
        child.terminate()
        child.wait()


async def report(index: OwnIndex, model: Model, asked: dict[str, dict], only: str, verbose: bool) -> None:  # type: ignore[type-arg]
    right = wrong = silent = abstained = invented = quiet = passed = kept = 0
    firsts: list[float] = []
    for document in asked["documents"].values():
        for item in document["answerable"]:
            if only not in item["question"]:
                continue
            outcome = await ask(index, model, item["question"])
            good = any(expected in outcome.answer for expected in item["expect"])
            page = item["page"] is None or f"page {item['page']}" in outcome.answer
            by_model = good and "“" not in outcome.answer
            right += good and page
            kept += by_model
            silent += outcome.answer == NOT_ANSWERED
            wrong += not (good and page) and outcome.answer != NOT_ANSWERED
            firsts.append(outcome.first)
            show(
                "model" if by_model else "quote" if good and page else "WRONG",
                item["question"],
                outcome,
                verbose,
            )
        for item in document["unanswerable"]:
            if only not in item["question"]:
                continue
            outcome = await ask(index, model, item["question"])
            good = outcome.answer == NOT_ANSWERED
            abstained += good
            invented += not good
            show("abstained" if good else "INVENTED", item["question"], outcome, verbose)
    for question in asked["general"]:
        if only not in question:
            continue
        outcome_hits = answering(question, await judged(index, question))
        quiet += not outcome_hits
        passed += bool(outcome_hits)
        if outcome_hits or trigger(question, None, []).asks:
            print(f"GATE OPEN  {question} -> {outcome_hits[:1]}")
    firsts.sort()
    total = right + wrong + silent
    print(
        f"answerable {right}/{total} right ({kept} in the model's words), {silent} abstained, {wrong} wrong"
    )
    print(f"unanswerable {abstained}/{abstained + invented} abstained")
    print(f"general {quiet}/{quiet + passed} stay outside")
    if firsts:
        print(f"first text: median {firsts[len(firsts) // 2]:.2f} s, worst {firsts[-1]:.2f} s")


def show(verdict: str, question: str, outcome: Outcome, verbose: bool) -> None:
    if verbose or verdict.isupper():
        print(f"{verdict:10} {outcome.first:5.2f}s {question}\n           -> {outcome.answer}")
        if outcome.said:
            print(f"           model: {' '.join(outcome.said.split())}")


if __name__ == "__main__":
    asyncio.run(main())
