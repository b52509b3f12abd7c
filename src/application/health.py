"""Is everything there that we need?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from typing_extensions import override

from application.ports.health import Probe
from domain.errors import DomainError, UpstreamFailed

PROBE_S = 1.0  # a probe's limit
SHARED_S = 1.0  # for how long everybody gets the same result


class Condition(StrEnum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"  # answers wrongly
    UNREACHABLE = "unreachable"


@dataclass(slots=True)
class CheckHealth:
    """Asks all probes at once; many askers within a second cost one round."""

    probes: Sequence[Probe]
    _round: "asyncio.Future[dict[str, Condition]] | None" = None
    _until: float = field(default=0.0)

    async def __call__(self) -> Mapping[str, Condition]:
        now = asyncio.get_running_loop().time()
        if self._round is None or now >= self._until:
            self._round = asyncio.ensure_future(self._ask_all())
            self._until = now + SHARED_S
        return await asyncio.shield(self._round)

    async def vital(self) -> Mapping[str, Condition]:
        """Only what nothing works without."""
        found = await self()
        return {probe.name: found[probe.name] for probe in self.probes if probe.vital}

    async def _ask_all(self) -> dict[str, Condition]:
        conditions = await asyncio.gather(*(_ask(probe) for probe in self.probes))
        return {probe.name: condition for probe, condition in zip(self.probes, conditions, strict=True)}


async def _ask(probe: Probe) -> Condition:
    try:
        async with asyncio.timeout(PROBE_S):
            await probe.check()
    except (TimeoutError, OSError):
        return Condition.UNREACHABLE
    except UpstreamFailed:
        return Condition.UNHEALTHY
    except DomainError:
        return Condition.UNREACHABLE
    return Condition.HEALTHY


@dataclass(slots=True)
class UpstreamProbe(Probe):
    """Something the product does without for a while: its absence degrades, it does not break."""

    name: str
    ask: Callable[[], Awaitable[None]]
    vital: bool = False

    @override
    async def check(self) -> None:
        await self.ask()
