"""Sounds to upload."""

import io
import wave

import numpy as np

RATE = 16_000


def tones(*seconds: tuple[float, float]) -> bytes:
    """A WAV of beeps: (silence, beep), one after the other."""
    parts = []
    for silent, loud in seconds:
        times = np.arange(int(loud * RATE)) / RATE
        parts += [np.zeros(int(silent * RATE)), 9000 * np.sin(2 * np.pi * 300 * times)]
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(np.concatenate(parts).astype("<i2").tobytes())
    return file.getvalue()
