"""What our mails say, as text and as simple HTML without anything that is fetched from elsewhere."""

from datetime import datetime
from html import escape
from textwrap import fill

from application.ports.mail import Mail
from domain.user import Purpose

WIDTH = 72
_ACTIONS = {
    Purpose.REGISTER: "finish your registration",
    Purpose.RESET_PASSWORD: "reset your password",
    Purpose.UPDATE_PASSWORD: "change your password",
    Purpose.DELETE_ACCOUNT: "delete your account",
}


def code_mail(to: str, purpose: Purpose, code: str, now: datetime) -> Mail:
    return _mail(
        to,
        "Your Virtual Tutor verification code",
        now,
        f"Your verification code is {code}",
        f"Use it to {_ACTIONS[purpose]}. It is valid for 5 minutes and works once.",
        "If you did not ask for it, you can ignore this message.",
        strong=code,
    )


def already_registered_mail(to: str, now: datetime) -> Mail:
    return _mail(
        to,
        "You already have a Virtual Tutor account",
        now,
        "Somebody, probably you, tried to register with this address, but you already have an account.",
        "Log in with your password, or ask for a new one if you have forgotten it.",
    )


def account_made_mail(to: str, now: datetime) -> Mail:
    return _mail(
        to,
        "Your Virtual Tutor account",
        now,
        "An administrator made an account for you, under this address.",
        "Set a password of your own with 'forgot password': then nobody knows it but you.",
    )


def password_changed_mail(to: str, now: datetime) -> Mail:
    return _mail(
        to,
        "Your Virtual Tutor password was changed",
        now,
        "The password of your Virtual Tutor account was just changed, and everybody was logged out.",
        "If that was not you, ask for a new password at once and tell an administrator.",
    )


def failed_logins_mail(to: str, now: datetime) -> Mail:
    return _mail(
        to,
        "Failed logins to your Virtual Tutor account",
        now,
        "Somebody tried several times to log in to your Virtual Tutor account with a wrong password. "
        "Further attempts are refused for some minutes.",
        "If that was you, you can set a new password with 'forgot password'; if not, your password was not "
        "guessed, and you need not do anything.",
    )


def tutor_request_mail(to: str, who: str, reason: str, now: datetime) -> Mail:
    return _mail(
        to,
        "New tutor request",
        now,
        f"{who} asks to become a tutor.",
        *([f"Reason given: {' '.join(reason.split())}"] if reason else []),
        "You find the request in the administration.",
    )


def _mail(to: str, subject: str, now: datetime, *paragraphs: str, strong: str = "") -> Mail:
    """Paragraphs are plain text; what is `strong` stands out where that is possible."""
    text = "\n\n".join(fill(p, WIDTH, break_long_words=False, break_on_hyphens=False) for p in paragraphs)
    return Mail(to, subject, f"{text}\n", now, _html(subject, paragraphs, strong))


def _html(subject: str, paragraphs: tuple[str, ...], strong: str) -> str:
    told = "".join(f"<p>{escape(paragraph)}</p>\n" for paragraph in paragraphs)
    if strong:
        told = told.replace(strong, f'<strong style="font-size:1.5em">{strong}</strong>')
    return (
        '<!doctype html>\n<html lang="en">\n'
        f'<head><meta charset="utf-8"><title>{escape(subject)}</title></head>\n'
        f'<body style="font:16px/1.5 sans-serif;max-width:36em">\n{told}</body>\n</html>\n'
    )
