"""Knowledge in memory: files as lines of text, found by the words they share with the question."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from application.ports.knowledge import Erased, IndexReport, Knowledge
from application.ports.progress import Progress, untold
from application.retrieval.question import bare
from domain.conversation import SessionId
from domain.document import BadFile, FileId, Hit, StoredFile
from domain.errors import DomainError
from domain.user import UserId
from domain.words import search_words, words


@dataclass(eq=False)
class FakeKnowledge(Knowledge):
    """`texts` are the pages of each file, by file id, ready to be indexed. `refuse_with` is raised by every
    call; `delay` is how long a search takes, `index_delay` an indexing."""

    texts: dict[FileId, Sequence[str]] = field(default_factory=dict)
    own: bool = True
    refuse_with: DomainError | None = None
    delay: float = 0.0
    index_delay: float = 0.0
    indexed: dict[FileId, StoredFile] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @override
    async def index(self, file: StoredFile, told: Progress = untold) -> IndexReport:
        self._refuse()
        pages = self.texts.get(file.id, ())
        if not any(page.strip() for page in pages):
            raise BadFile("Document cannot be read")
        for number in range(1, len(pages) + 1):
            told(number, len(pages))
        await asyncio.sleep(self.index_delay)
        self.indexed[file.id] = file
        return IndexReport(chunk_embs_num=len(pages), page_count=len(pages))

    @override
    async def find(
        self, question: str, reader: UserId, limit: int = 5, session: SessionId | None = None
    ) -> Sequence[Hit]:
        self.asked.append(question)
        await asyncio.sleep(self.delay)
        self._refuse()
        asked = bare(question)
        hits = [
            self._hit(asked, file, number, text)
            for file in self.indexed.values()
            if file.public or file.user_id == reader
            for number, text in enumerate(self.texts[file.id], 1)
        ]
        found = [hit for hit in hits if hit.score]
        return sorted(found, key=lambda hit: -(hit.score or 0.0))[:limit]

    @override
    async def forget(self, file: StoredFile) -> Erased:
        self._refuse()
        gone = self.indexed.pop(file.id, None)
        return Erased(chunks=len(self.texts.get(file.id, ()))) if gone else Erased()

    @override
    async def check(self) -> None:
        self._refuse()

    def _hit(self, question: str, file: StoredFile, number: int, text: str) -> Hit:
        near = _share(question, text)
        return Hit(
            filename=file.original_name,
            page=number,
            text=text,
            score=near,
            similarity=near if self.own else None,
            file_id=file.id,
            public=None if self.own else file.public,
        )

    def _refuse(self) -> None:
        if self.refuse_with is not None:
            raise self.refuse_with


def _share(question: str, text: str) -> float:
    wanted, present = search_words(question), {word.removesuffix("s") for word in words(text)}
    return sum(word.removesuffix("s") in present for word in wanted) / max(1, len(wanted))
