"""What a model writes for the house: titles and summaries. Off every path that somebody waits on."""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import aclosing

from application.chat.context import Exchange
from application.chat.prompt import retold
from application.ports.language_model import LanguageModel, ModelTimeout, Prompt
from domain.conversation import ChatSession
from domain.text import storable

PATIENCE_S = 120.0


def asked_of(
    session: ChatSession,
    system: str,
    task: str,
    exchanges: Sequence[Exchange],
    max_tokens: int,
    summary: str | None = None,
) -> Prompt:
    """The task behind what was said in the session, which is quoted and no instruction."""
    return Prompt(
        user=session.owner,
        memory=session.memory,
        system=system,
        input=retold(task, summary, exchanges, secrets.token_hex(8)) or task,
        temperature=0.0,
        max_tokens=max_tokens,
    )


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
