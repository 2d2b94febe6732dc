"""Refusals of this room; each carries the sentence for the person who asked."""

from ottsonly.errors import ShopError


class AccountError(ShopError):
    """Base of the refusals of this room."""

    # Of the page that shows the sentence beside its form.
    status = 200


class InvalidPhone(AccountError):
    """The text is no phone number that exists."""


class CodeTooSoon(AccountError):
    """A code was sent moments ago."""

    def __init__(self, wait_seconds: int) -> None:
        self.wait_seconds = wait_seconds
        unit = "second" if wait_seconds == 1 else "seconds"
        super().__init__(
            f"A code was sent a moment ago. You can ask for another in {wait_seconds} {unit}."
        )


class TooManyCodes(AccountError):
    """A cap on codes per hour was reached."""

    status = 429


class WrongCode(AccountError):
    """The code does not fit."""


class CodeLocked(AccountError):
    """Too many wrong tries: the code is dead."""


class CodeExpired(AccountError):
    """There is no code that could still be used."""


class AccountDisabled(AccountError):
    """The account was disabled by the shop."""


class SecondFactorRefused(AccountError):
    """The second factor does not fit, or was tried too often."""


class EnrolmentInvalid(AccountError):
    """The enrolment link is unknown, used up or expired."""


class PhoneChangeRefused(AccountError):
    """The number cannot become this account's."""


class LastAdmin(AccountError):
    """The change would leave the shop without an admin."""


class SmsError(AccountError):
    """The gateway did not take the message."""


class DeletionRefused(AccountError):
    """The account cannot be deleted while something of it is still under way."""
