"""A signature counts for what was signed, under a secret that is set; Razorpay is not asked."""

import hashlib
import hmac
import json

import pytest
from django.test import Client

from tests.factories import CustomerFactory
from wallet.errors import TopUpRefused
from wallet.models import Recharge, WebhookEvent
from wallet.recharges import confirm_callback, start_recharge
from wallet.services import balance_of

pytestmark = pytest.mark.django_db


def _sign(secret, text):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def test_a_borrowed_signature_is_refused_before_razorpay_is_asked(razorpay, recharge, settings):
    other = start_recharge(user=CustomerFactory(), amount_paise=500_00, key="form-2")
    signature = _sign(razorpay.key_secret, f"{other.razorpay_order_id}|pay_1")
    # Whoever asked would hear nothing from here on, and say so by another error.
    settings.RAZORPAY_BASE_URL = "http://127.0.0.1:9"
    with pytest.raises(TopUpRefused) as refused:
        confirm_callback(
            recharge=recharge,
            order_id=other.razorpay_order_id,
            payment_id="pay_1",
            signature=signature,
        )
    assert type(refused.value) is TopUpRefused
    assert set(Recharge.objects.values_list("state", flat=True)) == {Recharge.State.PENDING}
    assert (balance_of(recharge.user_id), balance_of(other.user_id)) == (0, 0)


def test_what_is_signed_with_no_secret_is_not_believed_where_none_is_set(recharge, settings):
    settings.RAZORPAY_WEBHOOK_SECRET = ""
    settings.RAZORPAY_KEY_SECRET = ""
    body = json.dumps({"event": "payment.captured"})
    answer = Client().post(
        "/wallet/razorpay/webhook",
        body,
        content_type="application/json",
        headers={"X-Razorpay-Signature": _sign("", body), "X-Razorpay-Event-Id": "evt_1"},
    )
    assert (answer.status_code, WebhookEvent.objects.count()) == (400, 0)
    order_id = recharge.razorpay_order_id
    with pytest.raises(TopUpRefused):
        confirm_callback(
            recharge=recharge,
            order_id=order_id,
            payment_id="pay_1",
            signature=_sign("", f"{order_id}|pay_1"),
        )
    assert Recharge.objects.get().state == Recharge.State.PENDING
