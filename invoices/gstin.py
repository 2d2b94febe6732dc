"""The GST identification number and its check digit."""

import re

from accounts.gst_states import STATES

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# State, PAN, number of the registration in the State, Z by default, check digit.
_SHAPE = re.compile(r"\d{2}[A-Z]{5}\d{4}[A-Z][1-9A-Z][A-Z][0-9A-Z]", re.ASCII)


def check_digit(first_fourteen: str) -> str:
    """Return the fifteenth character: Luhn's sum in base 36, every second digit doubled."""
    total = 0
    for place, character in enumerate(first_fourteen):
        total += sum(divmod(DIGITS.index(character) * (1 + place % 2), 36))
    return DIGITS[-total % 36]


def is_valid_gstin(text: str) -> bool:
    """Say whether `text` is a well-formed GSTIN of a State that exists."""
    return (
        _SHAPE.fullmatch(text) is not None
        and text[:2] in STATES
        and check_digit(text[:14]) == text[14]
    )
