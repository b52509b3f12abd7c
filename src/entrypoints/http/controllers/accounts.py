"""Registration, login, logout."""

from typing import Any

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, get, post
from litestar.datastructures import State

from application.accounts.authenticate import Caller
from application.accounts.log_out_everywhere import LogOutEverywhere
from application.accounts.login import Login
from application.accounts.logout import Logout
from application.accounts.register import Register
from application.accounts.reset_password import ResetPassword
from application.accounts.send_verification import SendVerification
from application.accounts.update_password import UpdatePassword
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
from entrypoints.http.policy import LEAVING, PUBLIC, SIGNED, STATUS, claims_of, successor_of
from entrypoints.http.wire import Said

PURPOSE = words(*Purpose, default=Purpose.REGISTER)
ROLE = words(Role.STUDENT, Role.TUTOR, default=Role.STUDENT)
BAD_ADDRESS = "Invalid email address"


MISSING = "Missing required fields"


class Registered(msgspec.Struct, omit_defaults=True):
    """The account exists. `tutor_request` is there when a request now waits for an admin."""

    msg: str
    tutor_request: str | None = None


class Token(msgspec.Struct):
    token: str


class TokenStatus(msgspec.Struct, omit_defaults=True):
    """How long the token lives. `token` is there when another one waits to take over: use that from now on;
    the numbers are then the new one's."""

    expires_in_seconds: int
    expires_in_minutes: float
    token: str | None = None


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
        opt=STATUS,
        operation_class=operation(),
        responses=errors(token=True),
        security=[{"token": []}],
    )
    async def token_status(self, request: Request[Any, Any, State], clock: FromDishka[Clock]) -> TokenStatus:
        """How long the token still lives; asking does not count as activity."""
        successor = successor_of(request)
        claims = successor.claims if successor else claims_of(request)
        left = max(0.0, (claims.expires_at - clock.now()).total_seconds())
        return TokenStatus(int(left), round(left / 60, 2), successor.token if successor else None)

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

    @post(
        "/logout_all",
        status_code=200,
        opt=LEAVING,
        operation_class=operation(),
        responses=errors(413, 415, token=True),
        security=[{"token": []}],
    )
    async def logout_all(
        self, caller: FromDishka[Caller], log_out_everywhere: FromDishka[LogOutEverywhere]
    ) -> Said:
        """End all login sessions of the account, this one included."""
        await log_out_everywhere(caller.account.id)
        return Said("Logged out everywhere.")

    @post(
        "/update_password",
        status_code=200,
        opt=LEAVING,
        operation_class=operation(
            json_body({"code": CODE, "new_password": PASSWORD}, ["code", "new_password"])
        ),
        responses=errors(429, token=True, body=True),
        security=[{"token": []}],
    )
    async def update_password(
        self,
        request: Request[Any, Any, State],
        caller: FromDishka[Caller],
        update_password: FromDishka[UpdatePassword],
    ) -> Said:
        """Change the own password, with a code sent to the own address; everybody is logged out."""
        fields = await json_object(request)
        require(fields, "code", "new_password", msg=MISSING)
        await update_password(caller.account, code_of(fields), text(fields, "new_password"))
        return Said("Password updated successfully")

    @post(
        "/reset_password",
        status_code=200,
        opt=PUBLIC,
        operation_class=operation(
            json_body(
                {"email": EMAIL, "code": CODE, "new_password": PASSWORD}, ["email", "code", "new_password"]
            )
        ),
        responses=errors(429, body=True),
    )
    async def reset_password(
        self, request: Request[Any, Any, State], reset_password: FromDishka[ResetPassword]
    ) -> Said:
        """Set a new password with a code sent to the address; everybody is logged out."""
        fields = await json_object(request)
        require(fields, "email", "code", "new_password", msg=MISSING)
        await reset_password(text(fields, "email"), code_of(fields), text(fields, "new_password"))
        return Said("Password reset successfully")
