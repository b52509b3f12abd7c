from typing import Protocol


class Probe(Protocol):
    """One thing we depend on."""

    name: str  # as in /health/detailed: database, redis, llm, rag …
    vital: bool  # without it nothing works: 503 instead of `degraded`

    async def check(self) -> None:
        """Returns when it answers properly; any exception means it does not."""
        ...
