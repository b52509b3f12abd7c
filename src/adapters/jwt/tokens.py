"""Access tokens: JWT, HS256 and nothing else, with a key id so that keys can be rotated."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt
from typing_extensions import override

from application.ports.credentials import (
    Claims,
    ForgedToken,
    MalformedToken,
    TokenExpired,
    Tokens,
    WrongTokenType,
)
from domain.conversation import MAX_ID
from domain.user import Role, UserId

ALGORITHM = "HS256"
MAX_LENGTH = 4096


def key_id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def _user(sub: str) -> UserId:
    id = int(sub)
    if not 0 < id <= MAX_ID:  # no database could look it up
        raise ValueError
    return UserId(id)


@dataclass(frozen=True, slots=True)
class JwtTokens(Tokens):
    """Signs with `key`; also accepts what `previous` signed, while it is set."""

    key: str
    previous: str | None = None

    @override
    def sign(self, claims: Claims, email: str, role: Role) -> str:
        return jwt.encode(
            {
                "sub": str(claims.user),
                "email": email,
                "role": role,
                "type": "access",
                "fresh": False,
                "jti": claims.jti,
                "iat": claims.issued_at,
                "nbf": claims.issued_at,
                "exp": claims.expires_at,
                "auth_time": int(claims.auth_time.timestamp()),
            },
            self.key,
            algorithm=ALGORITHM,
            headers={"kid": key_id(self.key)},
        )

    @override
    def read(self, token: str, now: datetime) -> Claims:
        if token.count(".") != 2:
            raise MalformedToken
        if len(token) > MAX_LENGTH:
            raise ForgedToken
        fields = self._verified(token)
        try:
            if fields["type"] != "access":
                raise WrongTokenType
            claims = Claims(
                user=_user(fields["sub"]),
                jti=str(UUID(fields["jti"])),
                issued_at=datetime.fromtimestamp(fields["iat"], UTC),
                expires_at=datetime.fromtimestamp(fields["exp"], UTC),
                auth_time=datetime.fromtimestamp(fields["auth_time"], UTC),
            )
        except KeyError as error:
            if error.args == ("type",):
                raise WrongTokenType from error
            raise ForgedToken from error
        except (TypeError, ValueError, OverflowError, OSError) as error:
            raise ForgedToken from error
        if now >= claims.expires_at:
            raise TokenExpired
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        keys = [self.key, *filter(None, [self.previous])]
        for key in keys:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=[ALGORITHM],
                    options={"verify_exp": False, "verify_iat": False, "verify_aud": False},
                    leeway=60,  # for `nbf`: workers' clocks may differ
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                raise ForgedToken from error
        raise ForgedToken
