"""What our mails say."""

from datetime import datetime

from application.ports.mail import Mail
from domain.user import Purpose

_ACTIONS = {
    Purpose.REGISTER: "finish your registration",
    Purpose.RESET_PASSWORD: "reset your password",
    Purpose.UPDATE_PASSWORD: "change your password",
    Purpose.DELETE_ACCOUNT: "delete your account",
}


def code_mail(to: str, purpose: Purpose, code: str, now: datetime) -> Mail:
    text = (
        f"Your verification code is {code}\n\n"
        f"Use it to {_ACTIONS[purpose]}. It is valid for 5 minutes and works once.\n"
        "If you did not ask for it, you can ignore this message.\n"
    )
    return Mail(to, "Your Virtual Tutor verification code", text, now)


def already_registered_mail(to: str, now: datetime) -> Mail:
    text = (
        "Somebody, probably you, tried to register with this address, but you already have an account.\n"
        "Log in with your password, or ask for a new one if you have forgotten it.\n"
    )
    return Mail(to, "You already have a Virtual Tutor account", text, now)


def password_changed_mail(to: str, now: datetime) -> Mail:
    text = (
        "The password of your Virtual Tutor account was just changed, and everybody was logged out.\n"
        "If that was not you, ask for a new password at once and tell an administrator.\n"
    )
    return Mail(to, "Your Virtual Tutor password was changed", text, now)


def tutor_request_mail(to: str, who: str, now: datetime) -> Mail:
    text = f"{who} asks to become a tutor. You find the request in the administration.\n"
    return Mail(to, "New tutor request", text, now)
