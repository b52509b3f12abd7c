"""What a student is told: the whole product with its embedded model, over HTTP."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from application.retrieval.extractive import NOT_ANSWERED
from bench.retrieval.questions import Question, QuestionSet
from bench.retrieval.sources import Source
from tests.integration.house import User
from tests.integration.served import NO_AVATARS, served

INDEXED_S = 300.0


@dataclass(frozen=True)
class Answer:
    asked: str
    text: str
    seconds: float
    about: Question | None = None  # None: nothing in the documents answers it

    @property
    def is_silence(self) -> bool:
        return self.text.strip() == NOT_ANSWERED

    @property
    def is_right(self) -> bool:
        return self.is_silence if self.about is None else self.about.is_told_by(self.text)

    @property
    def names_place(self) -> bool:
        """Where it stands is told as well, and rightly so."""
        if self.about is None:
            return False
        page = "" if self.about.page is None else f", page {self.about.page}"
        return f"{self.about.document}{page}" in self.text


async def answers(
    folder: Path, documents: Sequence[Source], asked: QuestionSet, **environ: str
) -> list[Answer]:
    async with served(folder, **NO_AVATARS, **environ) as one:
        student = await one.house.user()
        session = await student.new_session()
        for source in documents:
            uploaded = await student.upload(source.build(folder), session)
            assert uploaded.status_code == 200, uploaded.text
        await _indexed(student, len(documents))
        told = [await _answer(student, question.text, question) for question in asked.answerable]
        return told + [await _answer(student, text) for text in asked.unanswerable]


async def _indexed(student: User, number: int) -> None:
    async with asyncio.timeout(INDEXED_S):
        while True:
            files = (await student.get("/api/user_files")).json()["files"]
            if [file["rag_status"] for file in files] == ["indexed"] * number:
                return
            await asyncio.sleep(0.5)


async def _answer(student: User, text: str, about: Question | None = None) -> Answer:
    """In a session of its own: nothing that was said before leads to it."""
    began = time.perf_counter()
    told = await student.ask(text, use_documents="true")
    assert told.response.status_code == 200, told.response.text
    return Answer(text, told.text, time.perf_counter() - began, about)
