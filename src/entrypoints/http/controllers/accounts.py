"""Registration, login, logout."""

from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, get, post
from litestar.datastructures import State

from application.accounts.login import Login
from application.accounts.logout import Logout
from application.accounts.register import Register
from application.accounts.send_verification import SendVerification
from application.ports.clock import Clock
from domain.user import Purpose, Role
from entrypoints.http.bodies import code_of, json_object, require, text, word
from entrypoints.http.client_address import ClientAddress
from entrypoints.http.documentation import (
    CODE,
    EMAIL,
    PASSWORD,
    SOME_TEXT,
    errors,
    json_body,
    operation,
    words,
)
from entrypoints.http.policy import POLLING, PUBLIC, SIGNED, claims_of
from entrypoints.http.wire import Said

PURPOSE = words(*Purpose, default=Purpose.REGISTER)
ROLE = words(Role.STUDENT, Role.TUTOR, default=Role.STUDENT)
BAD_ADDRESS = "Invalid email address"


class Registered(msgspec.Struct, omit_defaults=True):
    """The account exists. `tutor_request` is there when a request now waits for an admin."""

    msg: str
    tutor_request: str | None = None


class Token(msgspec.Struct):
    token: str


class TokenStatus(msgspec.Struct):
    expires_in_seconds: int
    expires_in_minutes: float


class AccountsController(Controller):
    path = "/api"
    tags = ("accounts",)

    @post(
        "/send_verification",
        status_code=200,
        opt=PUBLIC,
        operation_class=operation(json_body({"email": EMAIL, "purpose": PURPOSE}, ["email"])),
        responses=errors(409, 429, body=True),
    )
    async def send_verification(
        self,
        request: Request[Any, Any, State],
        send_verification: FromDishka[SendVerification],
        client_address: FromDishka[ClientAddress],
    ) -> Said:
        """Send a six-digit code to an address; known and unknown addresses get the same answer."""
        fields = await json_object(request)
        require(fields, "email", msg="Email required")
        email = text(fields, "email", BAD_ADDRESS)
        await send_verification(email, word(fields, "purpose", Purpose.REGISTER), client_address(request))
        return Said("Verification code sent.")

    @post(
        "/register",
        status_code=201,
        opt=PUBLIC,
        operation_class=operation(
            json_body(
                {"email": EMAIL, "password": PASSWORD, "code": CODE, "role": ROLE},
                ["email", "password", "code"],
            )
        ),
        responses=errors(401, 409, 429, body=True),
    )
    async def register(self, request: Request[Any, Any, State], register: FromDishka[Register]) -> Registered:
        """Make an account for an address that a code has proven."""
        fields = await json_object(request)
        require(fields, "email", "password", "code")
        email, password = text(fields, "email", BAD_ADDRESS), text(fields, "password")
        waits = await register(email, password, code_of(fields), word(fields, "role", Role.STUDENT))
        return Registered("Registration successful", "pending" if waits else None)

    @post(
        "/login",
        status_code=200,
        opt=PUBLIC,
        operation_class=operation(json_body({"email": EMAIL, "password": SOME_TEXT}, ["email", "password"])),
        responses=errors(401, 429, body=True),
    )
    async def login(
        self,
        request: Request[Any, Any, State],
        login: FromDishka[Login],
        client_address: FromDishka[ClientAddress],
    ) -> Token:
        """Credentials in, token out. Send it as `Authorization: Bearer <token>`."""
        fields = await json_object(request)
        require(fields, "email", "password")
        email, password = text(fields, "email"), text(fields, "password")
        return Token(await login(email, password, client_address(request)))

    @get(
        "/token_status",
        opt=POLLING,
        operation_class=operation(),
        responses=errors(token=True),
        security=[{"token": []}],
    )
    async def token_status(self, request: Request[Any, Any, State], clock: FromDishka[Clock]) -> TokenStatus:
        """How long the token still lives; asking does not count as activity."""
        left = (claims_of(request).expires_at - clock.now()).total_seconds()
        return TokenStatus(max(0, int(left)), round(max(0.0, left) / 60, 2))

    @post(
        "/logout",
        status_code=200,
        opt=SIGNED,
        operation_class=operation(),
        responses=errors(413, 415, token=True),
        security=[{"token": []}],
    )
    async def logout(self, request: Request[Any, Any, State], logout: FromDishka[Logout]) -> Said:
        """End this login session; doing it twice is fine."""
        await logout(claims_of(request))
        return Said("Logged out successfully.")
