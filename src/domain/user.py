"""Accounts: who somebody is, what he may do, and what a usable address, password or code looks like."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from domain.errors import Conflict, Forbidden, Invalid, InvalidField, NotFound, Unauthenticated
from domain.text import nfc, require_storable

UserId = NewType("UserId", int)

DEFAULT_PICTURE = "/static/avatars/default.png"
PASSWORD_MIN, PASSWORD_MAX = 8, 128
CODE = re.compile(r"[0-9]{6}")
PICTURE = re.compile(r"/static/avatars/(?!user_)[A-Za-z0-9_-][A-Za-z0-9._-]*|https?://[!-~]+")
PROFILE_MAX = {"username": 50, "full_name": 50, "phone": 20, "bio": 2000}  # what people write, in code points


class Role(StrEnum):
    STUDENT = "student"
    TUTOR = "tutor"
    ADMIN = "admin"

    @property
    def teaches(self) -> bool:
        """May look after the public knowledge base."""
        return self is not Role.STUDENT


class Status(StrEnum):
    """`active` and `inactive` mirror "has a live session"; only `banned` blocks an account."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    BANNED = "banned"


class Purpose(StrEnum):
    """What a code was sent for; it opens nothing else."""

    REGISTER = "register"
    RESET_PASSWORD = "reset_password"  # noqa: S105 (a purpose, not a secret)
    UPDATE_PASSWORD = "update_password"  # noqa: S105 (a purpose, not a secret)
    DELETE_ACCOUNT = "delete_account"


class WeakPassword(Invalid):
    code = "weak_password"
    msg = f"Password must be between {PASSWORD_MIN} and {PASSWORD_MAX} characters"


class EmailTaken(Conflict):
    code = "email_taken"
    msg = "This email is already registered."


class UserExists(EmailTaken):
    """The same, said to an admin who makes accounts."""

    msg = "User already exists"


class AccountBanned(Unauthenticated):
    code = "account_banned"
    msg = "This account has been suspended."


class InvalidCredentials(Unauthenticated):
    code = "invalid_credentials"
    msg = "Invalid credentials"


class InvalidCode(Unauthenticated):
    """At registration, where nobody is logged in, a wrong code is 401."""

    code = "invalid_code"
    msg = "Invalid or expired verification code."


class WrongCode(Invalid):
    """Everywhere else: a 401 would end the login session of who mistyped."""

    code = "invalid_code"
    msg = "Invalid or expired verification code"


class TokenDead(Unauthenticated):
    code = "token_revoked"
    msg = "Token is invalid or expired."


class UserNotFound(NotFound):
    msg = "User not found"


class LastAdmin(Conflict):
    code = "last_admin"
    msg = "At least one admin must remain"


class OwnAccount(Conflict):
    code = "own_account"
    msg = "You cannot do this to your own account"


class OnlyAdmins(Forbidden):
    """A tutor who administers does not touch admins."""


@dataclass(eq=False, kw_only=True)
class Profile:
    """What a user shows of himself; texts are never null towards clients."""

    username: str = ""
    full_name: str = ""
    bio: str = ""
    phone: str = ""
    avatar_url: str = DEFAULT_PICTURE
    created_at: datetime
    updated_at: datetime

    def change(self, fields: Mapping[str, str], now: datetime) -> dict[str, object]:
        """Takes over what differs; `{field: [old, new]}` of that, as the action log shows it."""
        changed: dict[str, object] = {}
        for name, new in fields.items():
            old = getattr(self, name)
            if old != new:
                setattr(self, name, new)
                changed[name] = [old, new]
        if changed:
            self.updated_at = now
        return changed


@dataclass(eq=False, kw_only=True)
class User:
    id: UserId = field(init=False)  # given by the store, never reused
    email: str
    password_hash: str
    role: Role = Role.STUDENT
    status: Status = Status.INACTIVE
    created_at: datetime
    last_login: datetime | None = None
    tokens_from: datetime | None = None  # tokens of logins before this whole second open nothing
    deleted_at: datetime | None = None  # gone for everybody; the row waits until every store is erased
    profile: Profile | None = None

    def own_profile(self, now: datetime) -> Profile:
        """The profile; who has none gets one now, named after the local part of the address."""
        if self.profile is None:
            name = self.email.partition("@")[0][: PROFILE_MAX["username"]]
            self.profile = Profile(username=name, created_at=now, updated_at=now)
        return self.profile

    def check_may_sign_in(self) -> None:
        if self.status is Status.BANNED:
            raise AccountBanned

    def signed_in(self, now: datetime) -> datetime:
        """When the login counts as made, in whole seconds: never before the last revocation, so that what
        was revoked and what is new differ even within one second."""
        self.check_may_sign_in()
        self.status = Status.ACTIVE
        self.last_login = now
        moment = now.replace(microsecond=0)
        return max(moment, self.tokens_from) if self.tokens_from else moment

    def signed_out(self, at: datetime | None = None) -> None:
        """Nobody is logged in any more, or was not at that moment: who came back later is not meant."""
        came_back = at is not None and self.last_login is not None and self.last_login > at
        if self.status is Status.ACTIVE and not came_back:
            self.status = Status.INACTIVE

    def revoke_tokens(self, now: datetime) -> None:
        """No token issued so far opens anything once this is committed, whatever Redis says, and whichever
        worker's clock is ahead."""
        latest = max(now, self.last_login) if self.last_login else now
        from_now = latest.replace(microsecond=0) + timedelta(seconds=1)
        self.tokens_from = (
            max(from_now, self.tokens_from + timedelta(seconds=1)) if self.tokens_from else from_now
        )

    def change_role(self, role: Role, now: datetime) -> None:
        self.role = role
        self.revoke_tokens(now)
        self.signed_out()

    def change_status(self, status: Status, now: datetime) -> None:
        """A ban also ends what is open."""
        self.status = status
        if status is Status.BANNED:
            self.revoke_tokens(now)

    def change_password(self, hash: str, now: datetime) -> None:
        self.password_hash = hash
        self.revoke_tokens(now)
        self.signed_out()

    def bury(self, now: datetime) -> None:
        """Unusable from now on, and its address is free for somebody new."""
        self.deleted_at = now
        self.email = f"deleted-{self.id}"  # no address: nobody can ever register it
        self.password_hash = ""
        self.role, self.status = Role.STUDENT, Status.INACTIVE
        self.revoke_tokens(now)


def new_user(email: str, password_hash: str, role: Role, now: datetime) -> User:
    """A fresh account with its profile."""
    user = User(email=email, password_hash=password_hash, role=role, created_at=now)
    user.own_profile(now)
    return user


def acceptable_password(password: str, email: str, common: frozenset[str]) -> str:
    """The password in NFC; raises WeakPassword. No composition rule: length and unpredictability count."""
    password = nfc(require_storable(password), PASSWORD_MAX)
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise WeakPassword
    folded = password.casefold()
    if folded in common or folded == email.casefold():
        raise WeakPassword("This password is too common")
    return password


def acceptable_profile_text(name: str, text: str) -> str:
    """A text of the profile (a key of PROFILE_MAX) in NFC; overlong and unstorable ones are refused."""
    text = nfc(require_storable(text, f"Invalid value for '{name}'"), PROFILE_MAX[name])
    if len(text) > PROFILE_MAX[name]:
        raise InvalidField(f"Invalid value for '{name}'")
    return text


def acceptable_picture(url: str) -> str:
    """Where a picture lies: one of ours that is nobody's own, or an address on the web; "" is the default."""
    if not url:
        return DEFAULT_PICTURE
    if len(url) > 200 or not PICTURE.fullmatch(url):
        raise InvalidField("Invalid value for 'avatar_url'")
    return url


def role_of(text: str) -> Role:
    try:
        return Role(text)
    except ValueError as error:
        raise InvalidField("Invalid role") from error


def status_of(text: str) -> Status:
    try:
        return Status(text)
    except ValueError as error:
        raise InvalidField("Invalid status") from error


def requested_role(text: str) -> Role:
    """The role a newcomer asks for: student or tutor, nothing else."""
    if text not in (Role.STUDENT, Role.TUTOR):
        raise InvalidField("Invalid role")
    return Role(text)


def purpose_of(text: str) -> Purpose:
    try:
        return Purpose(text)
    except ValueError as error:
        raise InvalidField("Invalid purpose") from error
