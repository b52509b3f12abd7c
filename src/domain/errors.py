"""The kinds of refusal. Every refusal belongs to one kind; HTTP knows kinds, never single refusals."""


class DomainError(Exception):
    """A refusal with a stable `code` and a `msg` that is safe to show to anybody.

    `extra` holds further keys of the answer (for example the session a failed reply belongs to). `event` is
    the code under which a stream that has already begun reports the refusal.
    """

    code = "internal"
    event = "internal"
    msg = "Internal Server Error"

    def __init__(self, msg: str | None = None, **extra: object) -> None:
        self.msg = msg or type(self).msg
        self.extra = extra
        super().__init__(self.msg)


class Invalid(DomainError):
    """The input is wrong and will stay wrong (400)."""

    code = "bad_request"
    msg = "Bad request"


class MissingField(Invalid):
    code = "missing_field"
    msg = "Missing fields"


class InvalidField(Invalid):
    code = "invalid_field"


class Unauthenticated(DomainError):
    """The login session is over, or there never was one (401)."""

    code = "missing_token"
    msg = "Missing Authorization Header"


class Unprocessable(DomainError):
    """Well-formed HTTP whose content cannot be acted on (422)."""

    code = "malformed_token"


class Forbidden(DomainError):
    code = "forbidden"
    msg = "Permission denied"


class NotFound(DomainError):
    """Missing, or somebody else's: the two look alike (404)."""

    code = "not_found"
    msg = "Resource not found"


class Conflict(DomainError):
    code = "conflict"


class TooLarge(DomainError):
    code = "too_large"
    msg = "Request body too large"


class RateLimited(DomainError):
    """Too often (429). `retry_after` is whole seconds, at least 1."""

    code = "rate_limited"
    msg = "Too many requests. Please try again later."

    def __init__(self, msg: str | None = None, *, retry_after: int = 1, **extra: object) -> None:
        super().__init__(msg, **extra)
        self.retry_after = max(1, retry_after)


class UpstreamFailed(DomainError):
    """An upstream answered wrongly (502)."""

    code = "upstream_error"


class Unavailable(DomainError):
    """Something we need is unreachable, full or going away (503)."""

    code = "upstream_unavailable"
    msg = "Service temporarily unavailable"
    retry_after: int | None = None


class StorageUnavailable(Unavailable):
    """The database or Redis cannot be reached: nothing was decided, nothing is half done."""

    code = "storage_unavailable"
    event = "storage_unavailable"


class StorageBusy(StorageUnavailable):
    """Too many are waiting to write; `retry_after` is whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


class ShuttingDown(Unavailable):
    code = "shutting_down"
    event = "shutting_down"
    retry_after = 2


class UpstreamTimeout(DomainError):
    """An upstream was too slow (504)."""

    code = "upstream_timeout"
