"""The development mailbox (contract 1.9): for the person at this machine, and for nobody else."""

import html
import ipaddress
from typing import Any
from urllib.parse import urlsplit

import msgspec
from dishka import FromDishka
from litestar import Controller, MediaType, Request, get
from litestar.datastructures import State

from application.ports.mail import Mailbox
from domain.errors import NotFound
from entrypoints.http.policy import PUBLIC
from entrypoints.http.wire import iso

OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
STYLE = (
    "body{font:16px/1.5 system-ui;max-width:44rem;margin:2rem auto;padding:0 1rem}pre{white-space:pre-wrap}"
)


class MailItem(msgspec.Struct):
    to: str
    subject: str
    text: str
    created_at: str


class MailList(msgspec.Struct):
    mails: list[MailItem]


class DevelopmentController(Controller):
    path = "/dev"
    opt = PUBLIC
    include_in_schema = False

    @get("/mailbox.json")
    async def mails(self, request: Request[Any, Any, State], mailbox: FromDishka[Mailbox]) -> MailList:
        _only_here(request)
        return MailList(
            [MailItem(m.to, m.subject, m.text, iso(m.created_at)) for m in await mailbox.recent()]
        )

    @get("/mailbox", media_type=MediaType.HTML)
    async def page(self, request: Request[Any, Any, State], mailbox: FromDishka[Mailbox]) -> str:
        _only_here(request)
        mails = "".join(
            f"<article><h2>{html.escape(m.subject)}</h2><p>to {html.escape(m.to)}, {iso(m.created_at)}</p>"
            f"<pre>{html.escape(m.text)}</pre></article>"
            for m in await mailbox.recent()
        )
        return (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>Development mailbox</title>"
            f"<style>{STYLE}</style><h1>Development mailbox</h1>{mails or '<p>No mail yet.</p>'}</html>"
        )


def _only_here(request: Request[Any, Any, State]) -> None:
    """404 for other machines, other host names (DNS rebinding), proxies and other pages."""
    headers = request.headers
    host = headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    forwarded = any(h == "forwarded" or h.startswith("x-forwarded-") for h in headers)
    origin = headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != host
    if not _is_loopback(request) or name not in OWN_NAMES or forwarded or foreign:
        raise NotFound


def _is_loopback(request: Request[Any, Any, State]) -> bool:
    peer = request.scope.get("client")
    try:
        return peer is not None and ipaddress.ip_address(peer[0]).is_loopback
    except ValueError:
        return False
