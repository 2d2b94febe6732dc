"""Razorpay's web hooks: stored first as received, then applied, each once."""

import hashlib
import json
import logging
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from wallet.errors import GatewayUnavailable, TopUpRefused
from wallet.gateway import Payment, webhook_signature_is_valid
from wallet.models import Recharge, WebhookEvent
from wallet.recharges import complete_recharge, mark_failed

logger = logging.getLogger(__name__)


class BadSignature(Exception):
    """The body was not signed with our secret; nothing was written."""


class _Unreadable(Exception):
    """A signed body without the fields of a payment; applying it again would not help."""


def receive(*, body: bytes, signature: str, event_id: str) -> None:
    """Store an event and apply it; storing is what Razorpay is told of.

    Razorpay does not send again what it was told is stored, so whatever stops between storing and
    applying is made good by the worker (`apply_received`).

    Raises:
        BadSignature: the signature does not fit the raw body, or the body is no event.
    """
    if not webhook_signature_is_valid(body=body, signature=signature):
        raise BadSignature
    try:
        text = body.decode()
        kind = str(json.loads(text)["event"])
    except (UnicodeDecodeError, ValueError, KeyError, TypeError):
        raise BadSignature from None
    # The name of an event is not signed: the body's own hash keeps a renamed repeat the same.
    key = event_id[:40] or hashlib.sha256(body).hexdigest()[:40]
    try:
        event = WebhookEvent.objects.create(event_id=key, type=kind[:60], payload=text)
    except IntegrityError:
        event = WebhookEvent.objects.get(pk=key)
    _apply_safely(event)


def apply_received(*, limit: int = 50) -> int:
    """Apply what was stored and not applied, oldest first; return how many were."""
    waiting = WebhookEvent.objects.filter(state=WebhookEvent.State.RECEIVED)
    applied = 0
    for event in waiting.order_by("received_at")[:limit]:
        try:
            applied += _apply_safely(event)
        except Exception:
            # It stays received; the events behind it must not wait for it.
            logger.exception("web hook %s failed", event.pk)
    return applied


def _apply_safely(event: WebhookEvent) -> bool:
    if event.state == WebhookEvent.State.APPLIED:
        return False
    try:
        note = _apply(event.type, json.loads(event.payload))
    except GatewayUnavailable:
        # Stays received; the worker tries again.
        return False
    except _Unreadable:
        logger.exception("web hook %s cannot be read", event.pk)
        note = "cannot be read"
    except TopUpRefused as refusal:
        logger.warning("web hook %s refused: %s", event.pk, refusal)
        note = f"refused: {refusal}"
    applied = WebhookEvent.objects.filter(pk=event.pk, state=WebhookEvent.State.RECEIVED).update(
        state=WebhookEvent.State.APPLIED, applied_at=timezone.now(), note=note[:200]
    )
    return applied == 1


def _apply(kind: str, body: dict[str, Any]) -> str:
    """Apply one event by the money it names; applying it again changes nothing."""
    if kind not in ("payment.captured", "order.paid", "payment.failed"):
        return "kept, nothing to do"
    try:
        entity = body["payload"]["payment"]["entity"]
        order_id = str(entity.get("order_id") or "")
        payment = Payment(
            id=str(entity["id"]),
            order_id=order_id,
            amount_paise=int(entity["amount"]),
            currency=str(entity["currency"]),
            status=str(entity["status"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _Unreadable from error
    recharge = Recharge.objects.filter(razorpay_order_id=order_id).first() if order_id else None
    if recharge is None:
        return "no top-up has this order"
    if kind == "payment.failed":
        mark_failed(razorpay_order_id=order_id, reason=str(entity.get("error_description") or ""))
        return "failed"
    done = complete_recharge(recharge=recharge, payment=payment, source=Recharge.Source.WEBHOOK)
    if done.payment_id != payment.id:
        logger.error("second captured payment on top-up %s", done.pk)
        return "a second payment: not credited, needs an operator"
    return "credited"
