"""One mailbox, one account: how an e-mail address is read."""

from email_validator import EmailNotValidError, validate_email

from domain.errors import InvalidField

MAX_LENGTH = 254


def normalised(text: str) -> str:
    """The address as it is stored: trimmed, ASCII after IDNA, folded once. Raises InvalidField.

    Look-alikes (Kelvin sign, full-width letters) either fold to the same ASCII address or are refused, so
    they never make a second account.
    """
    if len(text) > 4 * MAX_LENGTH:  # reading it would take longer than it deserves
        raise InvalidField("Invalid email address")
    try:
        valid = validate_email(
            text.strip(), allow_smtputf8=False, check_deliverability=False, globally_deliverable=False
        )
    except EmailNotValidError as error:
        raise InvalidField("Invalid email address") from error
    if valid.ascii_email is None or len(valid.ascii_email) > MAX_LENGTH:
        raise InvalidField("Invalid email address")
    return valid.ascii_email.lower()
