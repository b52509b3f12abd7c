"""Passwords that everybody tries first: zxcvbn's list of 30,000."""

from zxcvbn.frequency_lists import FREQUENCY_LISTS


def common_passwords() -> frozenset[str]:
    return frozenset(FREQUENCY_LISTS["passwords"])
