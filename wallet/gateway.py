"""Razorpay behind one typed client: every call has a timeout, every error becomes ours."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import razorpay
import requests
from django.conf import settings
from django.utils.translation import gettext as _
from razorpay.errors import BadRequestError, GatewayError, ServerError

from wallet.errors import GatewayRefused, GatewayUnavailable, TopUpRefused

CURRENCY = "INR"


@dataclass(frozen=True)
class Payment:
    """A payment as Razorpay's own record has it."""

    id: str
    order_id: str
    amount_paise: int
    currency: str
    status: str


class RazorpayGateway:
    """Orders, payments and signatures of Razorpay (https://razorpay.com/docs/api/)."""

    def __init__(self) -> None:
        if not settings.RAZORPAY_KEY_ID:
            raise TopUpRefused(_("Top-ups are not open yet. Please come back later."))
        self._client = razorpay.Client(
            auth=(settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET),
            base_url=settings.RAZORPAY_BASE_URL,
        )

    def create_order(self, *, amount_paise: int, receipt: str) -> str:
        """Return the id of an order; the same receipt gives the same order again."""
        data = {
            "amount": amount_paise,
            "currency": CURRENCY,
            "receipt": receipt,
            "unique_receipt": True,
        }
        return str(self._call(self._client.order.create, data=data)["id"])

    def fetch_payment(self, payment_id: str) -> Payment:
        """Return Razorpay's record of a payment."""
        return _payment(self._call(self._client.payment.fetch, payment_id))

    def capture(self, payment: Payment) -> Payment:
        """Capture an authorised payment for exactly its amount."""
        return _payment(
            self._call(
                self._client.payment.capture,
                payment.id,
                payment.amount_paise,
                {"currency": payment.currency},
            )
        )

    def order_payments(self, order_id: str) -> list[Payment]:
        """Return all payments that were tried on an order."""
        return [
            _payment(item) for item in self._call(self._client.order.payments, order_id)["items"]
        ]

    @staticmethod
    def _call(function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the SDK, which sets no timeout by itself.

        Raises:
            GatewayRefused: Razorpay said no.
            GatewayUnavailable: it did not answer, or with something that is no answer.
        """
        timeouts = (settings.RAZORPAY_CONNECT_TIMEOUT, settings.RAZORPAY_READ_TIMEOUT)
        try:
            return function(*args, timeout=timeouts, **kwargs)
        except BadRequestError as error:
            raise GatewayRefused(_("Razorpay refused this payment. Please try again.")) from error
        except (GatewayError, ServerError, requests.RequestException, ValueError) as error:
            raise GatewayUnavailable(
                _("Razorpay does not answer just now. Please try again soon.")
            ) from error


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


def _payment(record: Any) -> Payment:
    try:
        return Payment(
            id=str(record["id"]),
            order_id=str(record["order_id"] or ""),
            amount_paise=int(record["amount"]),
            currency=str(record["currency"]),
            status=str(record["status"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GatewayUnavailable(_("Razorpay gave an answer that cannot be read.")) from error
