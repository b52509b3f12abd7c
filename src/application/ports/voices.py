from collections.abc import Mapping
from typing import Protocol

from domain.catalogue import Voice
from domain.errors import NotFound, Unavailable


class VoicesMissing(NotFound):
    msg = "Model information file not found"


class VoicesUnreadable(Unavailable):
    msg = "Error reading TTS models"


class Voices(Protocol):
    """The speech models that avatars can have."""

    async def all(self) -> Mapping[str, Voice]:
        """By key, always in the same order. Raises VoicesMissing, VoicesUnreadable."""
        ...
