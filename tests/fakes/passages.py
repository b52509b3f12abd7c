"""Passages in memory, searched as the real store does: by cosine, and by words, rarer ones counting more."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from struct import unpack

from typing_extensions import override

from application.ports.passages import Findable, Found, Passages, Vector
from domain.conversation import SessionId
from domain.document import FileId, Passage
from domain.user import UserId
from domain.words import index_text, words


@dataclass(eq=False)
class FakePassages(Passages):
    """`names` holds the files that exist; those in `deleted` are never found. `sessions` says to which some
    of them were brought."""

    names: Mapping[FileId, str]
    deleted: set[FileId] = field(default_factory=set)
    kept: dict[FileId, list[tuple[Passage, Vector, str]]] = field(default_factory=dict)
    sessions: dict[FileId, SessionId] = field(default_factory=dict)

    @override
    async def replace(self, file: FileId, passages: Sequence[tuple[Passage, Vector]], model: str) -> None:
        self.kept[file] = [(passage, vector, model) for passage, vector in passages]

    @override
    async def nearest(
        self,
        reader: UserId,
        vector: Vector,
        model: str,
        limit: int,
        within: Collection[FileId] | None = None,
    ) -> list[Found]:
        found = [
            Found(passage, self.names[passage.file_id], _cosine(vector, own))
            for passage, own, made_by in self._visible(reader, within)
            if made_by == model and len(own) == len(vector)
        ]
        return sorted(found, key=lambda one: -one.score)[:limit]

    @override
    async def matching(
        self, reader: UserId, words: Sequence[str], limit: int, within: Collection[FileId] | None = None
    ) -> list[Found]:
        visible = [
            (passage, _stems(index_text(passage.text))) for passage, _, _ in self._visible(reader, within)
        ]
        wanted = {stem for word in words for stem in _stems(word)}
        weight = {
            word: math.log(1 + len(visible) / (1 + sum(word in stems for _, stems in visible)))
            for word in wanted
        }
        found = [
            Found(passage, self.names[passage.file_id], sum(weight[word] for word in wanted & stems))
            for passage, stems in visible
        ]
        return sorted((one for one in found if one.score > 0), key=lambda one: -one.score)[:limit]

    @override
    async def files(self, reader: UserId) -> list[Findable]:
        visible = {passage.file_id for passage, _, _ in self._visible(reader)}
        newest = sorted(visible, reverse=True)
        return [Findable(file, self.names[file], self.sessions.get(file)) for file in newest]

    @override
    async def outdated(self, model: str, limit: int) -> list[FileId]:
        here = [file for file in self.kept if file in self.names and file not in self.deleted]
        return [file for file in here if any(made_by != model for _, _, made_by in self.kept[file])][:limit]

    @override
    async def erase(self, file: FileId) -> int:
        return len(self.kept.pop(file, []))

    def _visible(
        self, reader: UserId, within: Collection[FileId] | None = None
    ) -> list[tuple[Passage, Vector, str]]:
        return [
            entry
            for file, entries in self.kept.items()
            if file in self.names and file not in self.deleted and (within is None or file in within)
            for entry in entries
            if entry[0].owner in (None, reader)
        ]


def _stems(text: str) -> set[str]:
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words(text)}


def _cosine(one: Vector, other: Vector) -> float:
    size = f"<{len(one) // 4}f"
    dot: float = sum(a * b for a, b in zip(unpack(size, one), unpack(size, other), strict=True))
    return dot
