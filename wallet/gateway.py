"""Razorpay behind one typed client: every call has a timeout, every error becomes ours."""

import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import razorpay
import requests
from django.conf import settings
from django.utils.translation import gettext as _
from razorpay.errors import BadRequestError, GatewayError, ServerError

from ottsonly.metrics import gateway_timed
from wallet.circuit import CIRCUIT
from wallet.errors import GatewayRefused, GatewayUnavailable, TopUpRefused

logger = logging.getLogger(__name__)
T = TypeVar("T")

CURRENCY = "INR"
# More is a mistake of somebody's, and would not fit into the database's 64 bits for ever.
MOST_PAISE = 10**15
PAGE = 100
# A repeat that is safe is made this often at most, and only while the first wait is not used up.
TRIES = 3
PAUSE_SECONDS = 0.1
# Refusals that say nothing about what was asked for: wrong keys, a repeat that came while the
# first was running, too many requests.
NO_VERDICT = frozenset({401, 403, 408, 409, 425, 429})


class _Unanswered(Exception):
    """There was no answer, or one that is no JSON; its text is the kind of the error."""


class _Session(requests.Session):
    """Remembers the status of the last answer, and hands the SDK no error that it knows.

    Those it knows it prints on stdout, among the lines of our log, and its own errors do not tell
    a refusal from "too many requests".
    """

    status = 0

    def request(self, *args: Any, **options: Any) -> requests.Response:
        self.status = 0
        try:
            response = super().request(*args, **options)
            self.status = response.status_code
            if self.status != requests.codes.no_content:
                response.json()
        except (requests.RequestException, ValueError) as error:
            # Its text may hold an address; its kind is enough.
            raise _Unanswered(type(error).__name__) from error
        return response


@dataclass(frozen=True)
class Payment:
    """A payment as Razorpay's own record has it; `fee_paise` includes `tax_paise`."""

    id: str
    order_id: str
    amount_paise: int
    currency: str
    status: str
    fee_paise: int = 0
    tax_paise: int = 0
    created_at: datetime | None = None

    @property
    def was_captured(self) -> bool:
        """Whether the money came to us, also when it was given back later."""
        return self.status in ("captured", "refunded")


@dataclass(frozen=True)
class GatewayRefund:
    """A refund to the source of a payment; status is pending, processed or failed."""

    id: str
    payment_id: str
    amount_paise: int
    status: str
    # The id of our own document, when the refund is one of ours.
    reference: str = ""


class RazorpayGateway:
    """Orders, payments, refunds and signatures of Razorpay (https://razorpay.com/docs/api/).

    Every method raises GatewayUnavailable when nobody knows what became of the call (no answer,
    an answer that is none, too many requests, an open circuit) and GatewayRefused when Razorpay
    answered with a definite no.
    """

    def __init__(self) -> None:
        if not settings.RAZORPAY_KEY_ID:
            raise TopUpRefused(_("Top-ups are not open yet. Please come back later."))
        self._session = _Session()
        self._client = razorpay.Client(
            auth=(settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET),
            base_url=settings.RAZORPAY_BASE_URL,
            session=self._session,
        )

    def create_order(self, *, amount_paise: int, receipt: str) -> str:
        """Return the id of an order; the same receipt gives the same order again."""
        data = {
            "amount": amount_paise,
            "currency": CURRENCY,
            "receipt": receipt,
            "unique_receipt": True,
        }
        return self._call(
            lambda record: _text(record, "id"), self._client.order.create, data=data, repeat=True
        )

    def fetch_payment(self, payment_id: str) -> Payment:
        """Return Razorpay's record of a payment."""
        return self._call(payment_of, self._client.payment.fetch, payment_id, repeat=True)

    def capture(self, payment: Payment) -> Payment:
        """Capture an authorised payment for exactly its amount; never repeated by itself."""
        return self._call(
            payment_of,
            self._client.payment.capture,
            payment.id,
            payment.amount_paise,
            {"currency": payment.currency},
        )

    def order_payments(self, order_id: str) -> list[Payment]:
        """Return all payments that were tried on an order."""
        return self._call(_list_of(payment_of), self._client.order.payments, order_id, repeat=True)

    def payments_between(self, *, since: datetime, until: datetime) -> Iterator[Payment]:
        """Yield every payment created from `since` to `until` (both included, whole seconds)."""
        yield from self._pages(payment_of, self._client.payment.all, since, until)

    def refunds_between(self, *, since: datetime, until: datetime) -> Iterator[GatewayRefund]:
        """Yield every refund created from `since` to `until` (both included, whole seconds)."""
        yield from self._pages(refund_of, self._client.refund.all, since, until)

    def refund(
        self, *, payment_id: str, amount_paise: int, key: str, reference: str
    ) -> GatewayRefund:
        """Give `amount_paise` of a payment back to where it came from.

        Args:
            key: sent as X-Refund-Idempotency, so the same call may be made again at any time
                (https://razorpay.com/docs/api/refunds/normal-refunds-idempotent).
            reference: the id of our document, kept at Razorpay in the refund's notes.
        """
        data = {"amount": amount_paise, "notes": {"source_refund": reference}}
        return self._call(
            refund_of,
            self._client.payment.refund,
            payment_id,
            data,
            headers={"X-Refund-Idempotency": key},
            repeat=True,
        )

    def refunds_of(self, payment_id: str) -> list[GatewayRefund]:
        """Return all refunds of a payment."""
        return self._call(
            _list_of(refund_of),
            self._client.payment.fetch_multiple_refund,
            payment_id,
            {"count": PAGE},
            repeat=True,
        )

    def _pages(
        self, read: Callable[[Any], T], function: Any, since: datetime, until: datetime
    ) -> Iterator[T]:
        # The end is fixed before the first page: newer payments cannot move the pages meanwhile.
        window = {"from": int(since.timestamp()), "to": int(until.timestamp()), "count": PAGE}
        skip = 0
        while True:
            items = self._call(_list_of(read), function, {**window, "skip": skip}, repeat=True)
            yield from items
            if len(items) < PAGE:
                return
            skip += PAGE

    def _call(
        self, read: Callable[[Any], T], function: Any, *args: Any, repeat: bool = False, **more: Any
    ) -> T:
        """Call the SDK, which sets no timeout by itself, and read its answer.

        Args:
            repeat: whether the same call may safely be made again. A repeat uses what is left of
                the read timeout, so that no page waits longer than for one call.
        """
        if not CIRCUIT.enter():
            raise _no_answer()
        failed = True
        deadline = time.monotonic() + settings.RAZORPAY_READ_TIMEOUT
        try:
            for attempt in range(1, TRIES + 1):
                try:
                    with gateway_timed(function.__qualname__):
                        result = self._once(read, function, deadline, *args, **more)
                    failed = False
                    return result
                except GatewayRefused:
                    failed = False
                    raise
                except GatewayUnavailable:
                    pause = PAUSE_SECONDS * 2**attempt
                    if not repeat or attempt == TRIES or time.monotonic() + pause >= deadline:
                        raise
                    time.sleep(pause)
            raise AssertionError("unreachable: the last attempt returns or raises")
        finally:
            CIRCUIT.leave(failed=failed)

    def _once(
        self, read: Callable[[Any], T], function: Any, deadline: float, *args: Any, **more: Any
    ) -> T:
        left = max(0.1, deadline - time.monotonic())
        try:
            record = function(
                *args, timeout=(min(settings.RAZORPAY_CONNECT_TIMEOUT, left), left), **more
            )
        except BadRequestError as error:
            status = self._session.status
            if status in NO_VERDICT or status >= 500:
                logger.warning("Razorpay gave no verdict (%s): %s", status, error)
                raise _no_answer() from error
            logger.warning("Razorpay refused (%s): %s", status, error)
            raise GatewayRefused(_("Razorpay refused this payment. Please try again.")) from error
        except _Unanswered as error:
            logger.warning("Razorpay does not answer: %s", error)
            raise _no_answer() from error
        except (GatewayError, ServerError) as error:
            logger.warning("Razorpay does not answer: %s", type(error).__name__)
            raise _no_answer() from error
        except (AttributeError, TypeError) as error:
            # The SDK itself stumbles over an error that is not in Razorpay's form.
            logger.warning("Razorpay's error cannot be read (%s)", self._session.status)
            raise _no_answer() from error
        try:
            return read(record)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            logger.warning("Razorpay's answer cannot be read: %s", type(error).__name__)
            raise GatewayUnavailable(_("Razorpay gave an answer that cannot be read.")) from error


def _no_answer() -> GatewayUnavailable:
    return GatewayUnavailable(_("Razorpay does not answer just now. Please try again soon."))


def payment_signature_is_valid(*, order_id: str, payment_id: str, signature: str) -> bool:
    """Check the signature of Checkout: HMAC-SHA256 of "order|payment" under the key secret."""
    return _signed(f"{order_id}|{payment_id}".encode(), settings.RAZORPAY_KEY_SECRET, signature)


def webhook_signature_is_valid(*, body: bytes, signature: str) -> bool:
    """Check the signature of a web hook: HMAC-SHA256 of the raw body under the hook's secret."""
    return _signed(body, settings.RAZORPAY_WEBHOOK_SECRET, signature)


def _signed(message: bytes, secret: str, signature: str) -> bool:
    # Without a secret anybody could sign; a non-ASCII signature would be a TypeError.
    if not secret or not signature.isascii():
        return False
    expected = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature)


def payment_of(record: Any) -> Payment:
    """Read a payment entity; raises KeyError, TypeError or ValueError when it is none."""
    created = record.get("created_at")
    return Payment(
        id=_text(record, "id"),
        order_id=str(record["order_id"] or ""),
        amount_paise=_paise(record, "amount"),
        currency=str(record["currency"]),
        status=str(record["status"]),
        fee_paise=int(record.get("fee") or 0),
        tax_paise=int(record.get("tax") or 0),
        created_at=datetime.fromtimestamp(int(created), tz=UTC) if created else None,
    )


def refund_of(record: Any) -> GatewayRefund:
    """Read a refund entity; raises KeyError, TypeError or ValueError when it is none."""
    notes = record.get("notes")
    return GatewayRefund(
        id=_text(record, "id"),
        payment_id=str(record["payment_id"]),
        amount_paise=_paise(record, "amount"),
        status=str(record["status"]),
        # Razorpay gives an empty list where there are no notes.
        reference=str(notes.get("source_refund", "")) if isinstance(notes, dict) else "",
    )


def _list_of(read: Callable[[Any], T]) -> Callable[[Any], list[T]]:
    return lambda record: [read(item) for item in record["items"]]


def _text(record: Any, name: str) -> str:
    value = record[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is no text")
    return value


def _paise(record: Any, name: str) -> int:
    value = record[name]
    # A fraction of a paisa is no amount; a boolean is an int to Python.
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is no whole number of paise")
    if not 0 <= value <= MOST_PAISE:
        raise ValueError(f"{name} is no amount")
    return value
