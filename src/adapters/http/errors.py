from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from domain.errors import DomainError

Refusal = Callable[[], DomainError]


class BadAnswer(Exception):
    """An upstream broke its protocol. The text is for the log of whoever runs us, never for a client."""


class Busy(BadAnswer):
    """The upstream says that it is full or going away, and maybe for how many seconds."""

    def __init__(self, retry_after: int | None = None) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


class Unreadable(BadAnswer):
    """A piece of an answer that makes no sense by itself."""


@contextmanager
def translated(*, unreachable: Refusal, timeout: Refusal, failed: Refusal) -> Iterator[None]:
    """Foreign errors stop here: the core only ever sees its own, and no word of theirs."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise unreachable() from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise timeout() from error
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, BadAnswer, OSError) as error:
        raise failed() from error
