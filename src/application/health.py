"""Is everything there that we need?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from typing_extensions import override

from application.ports.health import Probe
from domain.errors import DomainError, UpstreamFailed

log = logging.getLogger(__name__)

PROBE_S = 1.0  # a probe's limit
SHARED_S = 1.0  # for how long everybody gets the same result


class Condition(StrEnum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"  # answers wrongly
    UNREACHABLE = "unreachable"


@dataclass(slots=True)
class CheckHealth:
    """Asks probes, all at once; many askers within a second cost one round."""

    probes: Sequence[Probe]
    _rounds: "dict[bool, tuple[float, asyncio.Future[dict[str, Condition]]]]" = field(
        default_factory=dict, init=False
    )

    async def __call__(self) -> Mapping[str, Condition]:
        """Everything we depend on."""
        return await self._round(vital_only=False)

    async def vital(self) -> Mapping[str, Condition]:
        """Only what nothing works without."""
        return await self._round(vital_only=True)

    async def _round(self, *, vital_only: bool) -> Mapping[str, Condition]:
        now = asyncio.get_running_loop().time()
        until, asked = self._rounds.get(vital_only, (0.0, None))
        if asked is None or now >= until:
            probes = [probe for probe in self.probes if probe.vital or not vital_only]
            asked = asyncio.ensure_future(_ask_all(probes))
            self._rounds[vital_only] = now + SHARED_S, asked
        return await asyncio.shield(asked)


async def _ask_all(probes: Sequence[Probe]) -> dict[str, Condition]:
    conditions = await asyncio.gather(*(_ask(probe) for probe in probes))
    return {probe.name: condition for probe, condition in zip(probes, conditions, strict=True)}


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
    except Exception:  # a probe that fails oddly must not take the others' news with it
        log.exception("a probe failed", extra={"probe": probe.name})
        return Condition.UNHEALTHY
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
