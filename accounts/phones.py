"""Phone numbers: any usual notation in, E.164 kept."""

import phonenumbers
from django.conf import settings

from accounts.errors import InvalidPhone

SENTENCE = "Enter a phone number that exists, such as 98765 43210 or +44 7400 123456."
LONGEST_INPUT = 40


def parse_phone(text: str, region: str | None = None) -> str:
    """Return `text` as E.164, such as "+919876543210".

    Args:
        text: the number as typed, with or without a country code.
        region: where a number without a country code is from; settings.PHONE_REGION by default.

    Raises:
        InvalidPhone: it is no number that a telephone company could have given out.
    """
    if len(text) > LONGEST_INPUT:
        raise InvalidPhone(SENTENCE)
    try:
        number = phonenumbers.parse(text, region or settings.PHONE_REGION)
    except phonenumbers.NumberParseException as error:
        raise InvalidPhone(SENTENCE) from error
    # An extension would be dropped in silence, and the code would go to somebody else's desk.
    if number.extension or not phonenumbers.is_valid_number(number):
        raise InvalidPhone(SENTENCE)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def display_phone(phone: str) -> str:
    """Return an E.164 number with the spaces of its country: "+91 98765 43210"."""
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return phone
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def is_abroad(phone: str) -> bool:
    """Say whether an E.164 number has another country's code than settings.PHONE_REGION."""
    home = phonenumbers.country_code_for_region(settings.PHONE_REGION)
    return phonenumbers.parse(phone, None).country_code != home


def mask_phone(phone: str) -> str:
    """Return an E.164 number with its middle hidden: "+91 98••• ••210"."""
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return "•••"
    national = phonenumbers.national_significant_number(number)
    hidden = f"{national[:2]}{'•' * max(len(national) - 5, 1)}{national[-3:]}"
    half = (len(hidden) + 1) // 2
    return f"+{number.country_code} {hidden[:half]} {hidden[half:]}"
