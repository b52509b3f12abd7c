"""What a model writes for the house: titles and summaries. Off every path that somebody waits on."""

import asyncio
from contextlib import aclosing

from application.ports.language_model import LanguageModel, ModelTimeout, Prompt
from domain.text import storable

PATIENCE_S = 120.0


async def written(model: LanguageModel, prompt: Prompt, most: int, patience_s: float = PATIENCE_S) -> str:
    """What the model writes, up to that many characters. Raises the refusals of LanguageModel."""
    text = ""
    try:
        async with asyncio.timeout(patience_s), aclosing(model.stream(prompt)) as pieces:
            async for piece in pieces:
                text += piece
                if len(text) >= most:
                    break
    except TimeoutError as error:
        raise ModelTimeout from error
    return storable(text).strip()[:most]
