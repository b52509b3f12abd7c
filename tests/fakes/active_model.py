from dataclasses import dataclass

from typing_extensions import override

from application.ports.active_model import ActiveModel


@dataclass(eq=False)
class FakeActiveModel(ActiveModel):
    model: str | None = None

    @override
    async def note(self, model: str) -> None:
        self.model = model

    @override
    async def noted(self) -> str | None:
        return self.model
