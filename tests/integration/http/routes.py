"""All routes of the application and who may call them, as the application itself knows them."""

import re
from dataclasses import dataclass, replace

from litestar import Litestar

from entrypoints.http.policy import Policy, policies_of
from entrypoints.wiring.application import create_app
from tests.integration.house import House


@dataclass(frozen=True, slots=True, order=True)
class Route:
    method: str
    path: str
    policy: Policy | None

    @property
    def documented(self) -> str:
        """The path as the OpenAPI document has it."""
        return re.sub(r":\w+\}", "}", self.path)


def routes(house: House) -> list[Route]:
    app = create_app(house.settings).app
    assert isinstance(app, Litestar)
    return [Route(method, path, policy) for method, path, policy in policies_of(app)]


def protected(house: House) -> list[Route]:
    """With path parameters filled in."""
    return [
        replace(route, path=re.sub(r"\{[^}]+\}", "1", route.path))
        for route in routes(house)
        if route.policy is not Policy.PUBLIC
    ]
