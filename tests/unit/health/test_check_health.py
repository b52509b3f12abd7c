import asyncio
from dataclasses import dataclass

import pytest
from typing_extensions import override

from application.health import CheckHealth, Condition, UpstreamProbe
from application.ports.health import Probe
from application.ports.knowledge import KnowledgeFailed
from application.ports.language_model import ModelTimeout, ModelUnreachable
from domain.errors import StorageUnavailable
from tests.fakes.knowledge import FakeKnowledge
from tests.fakes.language_model import FakeLanguageModel


@dataclass(slots=True)
class FakeProbe(Probe):
    """Fails with what it is told to; `slow` never answers."""

    name: str
    vital: bool = True
    error: Exception | None = None
    slow: bool = False
    asked: int = 0

    @override
    async def check(self) -> None:
        self.asked += 1
        if self.slow:
            await asyncio.Event().wait()
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (None, Condition.HEALTHY),
        (ModelUnreachable(), Condition.UNREACHABLE),
        (ModelTimeout(), Condition.UNREACHABLE),
        (StorageUnavailable(), Condition.UNREACHABLE),
        (ConnectionRefusedError(), Condition.UNREACHABLE),
        (TimeoutError(), Condition.UNREACHABLE),
        (KnowledgeFailed("RAG service error: bad response"), Condition.UNHEALTHY),
    ],
)
async def test_says_what_a_probe_found(error: Exception | None, condition: Condition) -> None:
    assert await CheckHealth([FakeProbe("redis", error=error)])() == {"redis": condition}


async def test_a_probe_that_fails_oddly_is_unhealthy_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    check = CheckHealth([FakeProbe("odd", error=KeyError("a bug")), FakeProbe("redis")])
    assert await check() == {"odd": Condition.UNHEALTHY, "redis": Condition.HEALTHY}
    assert [record.message for record in caplog.records] == ["a probe failed"]


async def test_slow_ones_are_not_waited_for_and_hold_nobody_up() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    found = await CheckHealth([FakeProbe("a", slow=True), FakeProbe("b", slow=True), FakeProbe("c")])()
    assert found == {"a": Condition.UNREACHABLE, "b": Condition.UNREACHABLE, "c": Condition.HEALTHY}
    assert loop.time() - begun < 1.9  # both together, not one after the other


async def test_vital_asks_only_what_nothing_works_without() -> None:
    llm = FakeProbe("llm", vital=False, error=ModelUnreachable())
    check = CheckHealth([FakeProbe("database"), llm])
    assert await check.vital() == {"database": Condition.HEALTHY}
    assert llm.asked == 0


async def test_many_askers_cost_one_round() -> None:
    probe = FakeProbe("database")
    check = CheckHealth([probe])
    await asyncio.gather(*(check() for _ in range(50)))
    await check()
    assert probe.asked == 1


async def test_who_stops_waiting_spoils_nothing_for_the_others() -> None:
    probe = FakeProbe("database", slow=True)
    check = CheckHealth([probe])
    impatient, patient = asyncio.create_task(check()), asyncio.create_task(check())
    await asyncio.sleep(0.01)
    impatient.cancel()
    assert await patient == {"database": Condition.UNREACHABLE}
    assert probe.asked == 1


async def test_news_are_fetched_again_after_a_second() -> None:
    probe = FakeProbe("database")
    check = CheckHealth([probe])
    await check()
    probe.error = StorageUnavailable()
    await asyncio.sleep(1.01)
    assert await check() == {"database": Condition.UNREACHABLE}


async def test_upstreams_degrade_they_do_not_break() -> None:
    model, knowledge = FakeLanguageModel(), FakeKnowledge(refuse_with=KnowledgeFailed("x"))
    probes = [UpstreamProbe("llm", model.check), UpstreamProbe("rag", knowledge.check)]
    assert not any(probe.vital for probe in probes)
    assert await CheckHealth(probes)() == {"llm": Condition.HEALTHY, "rag": Condition.UNHEALTHY}
