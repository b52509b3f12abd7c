import logging

import pytest

from application.admin.activate_model import ActivateModel
from application.ports.language_model import Model, UnknownModel
from application.ports.persistence import Account
from domain.user import Role, UserId
from tests.fakes.active_model import FakeActiveModel
from tests.fakes.language_model import FakeLanguageModel

ROOT = Account(UserId(7), "root@example.org", Role.ADMIN, banned=False)


async def test_the_model_is_active_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    model, active = FakeLanguageModel(), FakeActiveModel()
    model.listed = [Model("a", active=True), Model("b")]
    with caplog.at_level(logging.INFO):
        assert await ActivateModel(model=model, active=active)(ROOT, "b") == "Model activated"
    assert [one.active for one in await model.models()] == [False, True]
    assert await active.noted() == "b"
    (record,) = caplog.records
    assert (record.msg, vars(record)["operator"], vars(record)["model"]) == ("model activated", 7, "b")


async def test_a_refusal_is_logged_and_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(UnknownModel):
        await ActivateModel(model=FakeLanguageModel(), active=FakeActiveModel())(ROOT, "none")
    assert [record.msg for record in caplog.records] == ["model not activated"]
