"""Razorpay's web hooks: stored first as received, then applied, each once."""

import hashlib
import json
import logging
from datetime import timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from ottsonly.audit import record_event
from ottsonly.jobs import may_continue
from ottsonly.mongo import in_transaction
from ottsonly.redaction import redact
from wallet.errors import RetryRefused, TopUpRefused
from wallet.gateway import CURRENCY, Payment, payment_of, refund_of, webhook_signature_is_valid
from wallet.models import OpenItem, Recharge, WebhookEvent
from wallet.open_items import record_open_item
from wallet.recharges import complete_recharge, mark_failed
from wallet.signals import payment_disputed, webhook_failing
from wallet.source_refunds import apply_refund_news

logger = logging.getLogger(__name__)

PAYMENTS = frozenset({"payment.captured", "order.paid", "payment.failed"})
REFUNDS = frozenset({"refund.processed", "refund.failed"})
DISPUTE = "payment.dispute."
# The first repeat, and the rarest: nothing is given up.
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
# After so many failures in a row, about three minutes, people are told, once.
ATTEMPTS_TO_TELL = 5


# Of the payer, at any depth of an event. What traces a payment (ids, amounts, the bank's reference
# numbers in acquirer_data) stays.
PERSONAL = frozenset(
    {
        "bank_account",
        "billing_address",
        "card",
        "contact",
        "customer",
        "customer_details",
        "email",
        "name",
        "shipping_address",
        "upi",
        "vpa",
    }
)


class BadSignature(Exception):
    """The body was not signed with our secret; nothing was written."""


class _Unreadable(Exception):
    """A signed body without the fields of its kind; applying it again would not help."""


def receive(*, body: bytes, signature: str, event_id: str) -> None:
    """Store an event and apply it; storing is what Razorpay is told of.

    Razorpay does not send again what it was told is stored, so whatever stops between storing and
    applying is made good by the worker (`apply_received`). Applying asks nobody else: the answer
    is due within five seconds (https://razorpay.com/docs/webhooks/validate-test/).

    Raises:
        BadSignature: the signature does not fit the raw body, or the body is no event.
    """
    if not webhook_signature_is_valid(body=body, signature=signature):
        raise BadSignature
    try:
        text = body.decode()
        kind = str(json.loads(text)["event"]).encode("ascii", "replace").decode()
        # What is nested so deep that this fails could be stored and never be applied.
        without_personal_data(text)
    except (UnicodeDecodeError, ValueError, KeyError, TypeError, RecursionError):
        raise BadSignature from None
    event = _store(text, kind, event_id, own_name=hashlib.sha256(body).hexdigest()[:40])
    try:
        _apply_safely(event)
    except Exception:
        # It is stored: the worker applies it.
        logger.exception("web hook %s was stored and not applied yet", event.pk)


def _store(text: str, kind: str, event_id: str, *, own_name: str) -> WebhookEvent:
    """Store an event, or find it; the name is not signed, so another body under it is another."""
    for name in (event_id[:40] or own_name, own_name):
        try:
            return WebhookEvent.objects.create(event_id=name, type=kind[:60], payload=text)
        except IntegrityError:
            event = WebhookEvent.objects.get(pk=name)
            if event.payload in (text, without_personal_data(text)):
                return event
    return event


def without_personal_data(text: str) -> str:
    """Return an event without what it tells of the payer; the same text gives the same."""
    return json.dumps(_stripped(json.loads(text)))


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(item) for key, item in value.items() if key not in PERSONAL}
    if isinstance(value, list):
        return [_stripped(item) for item in value]
    return value


def apply_received(*, limit: int = 50) -> int:
    """Apply what was stored and not applied and is due, oldest first; return how many were.

    What fails comes again at growing distances, for ever: fifty that fail hold up nobody, and none
    is dropped.
    """
    due = WebhookEvent.objects.filter(
        state=WebhookEvent.State.RECEIVED, next_attempt_at__lte=timezone.now()
    )
    applied = 0
    for event in due.order_by("next_attempt_at")[:limit]:
        if not may_continue():
            break
        applied += _attempt(event)
    return applied


def _attempt(event: WebhookEvent) -> bool:
    """Apply one stored event now and say whether it was; an error is noted, not raised."""
    if not _claim_attempt(event):
        return False
    try:
        return _apply_safely(event)
    except Exception as error:
        # It stays received; the events behind it must not wait for it.
        logger.exception("web hook %s failed", event.pk)
        note = redact(f"{type(error).__name__}: {error}").encode("ascii", "replace").decode()
        WebhookEvent.objects.filter(pk=event.pk, state=WebhookEvent.State.RECEIVED).update(
            note=note[:200]
        )
        return False


def _claim_attempt(event: WebhookEvent) -> bool:
    """Count an attempt before it is made, so that one which kills the worker counts as well.

    Whoever counts one attempt more than are needed to tell people does so, hence once.
    """
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(event.attempts, 10))

    def work() -> bool:
        claimed = WebhookEvent.objects.filter(
            pk=event.pk, state=WebhookEvent.State.RECEIVED, attempts=event.attempts
        ).update(attempts=F("attempts") + 1, next_attempt_at=timezone.now() + pause)
        if claimed == 1 and event.attempts == ATTEMPTS_TO_TELL:
            webhook_failing.send(sender=WebhookEvent, event=event)
        return claimed == 1

    return in_transaction(work)


def retry_event(*, event: WebhookEvent, actor: Any) -> WebhookEvent:
    """Apply an event that failed now, whenever it is due; people are told anew if it goes on.

    Args:
        actor: an operator; nobody else may.

    Returns:
        The event as it is then: applied, or still received with the error in its note.

    Raises:
        RetryRefused: not an operator, or it is applied already.
    """
    if not actor.has_perm("wallet.change_webhookevent"):
        raise RetryRefused(_("Only an operator tries an event again."))

    def work() -> WebhookEvent:
        attempts = WebhookEvent.objects.get(pk=event.pk).attempts
        renewed = WebhookEvent.objects.filter(
            pk=event.pk, state=WebhookEvent.State.RECEIVED
        ).update(attempts=0, next_attempt_at=timezone.now())
        if renewed != 1:
            raise RetryRefused(_("This event is applied already."))
        fresh = WebhookEvent.objects.get(pk=event.pk)
        record_event(
            actor=actor,
            action="wallet.retry_event",
            target=fresh,
            before={"attempts": attempts},
            after={"attempts": 0},
        )
        return fresh

    fresh = in_transaction(work)
    _attempt(fresh)
    fresh.refresh_from_db()
    return fresh


def _apply_safely(event: WebhookEvent) -> bool:
    if event.state == WebhookEvent.State.APPLIED:
        return False
    try:
        note = _apply(event, json.loads(event.payload))
    except _Unreadable:
        logger.exception("web hook %s cannot be read", event.pk)
        note = "cannot be read"
    except TopUpRefused as refusal:
        logger.warning("web hook %s refused: %s", event.pk, refusal)
        note = f"refused: {refusal}"
    _mark_applied(event, note)
    return True


def _mark_applied(event: WebhookEvent, note: str) -> bool:
    """Note that an event was applied, once; who paid is needed no longer."""
    applied = WebhookEvent.objects.filter(pk=event.pk, state=WebhookEvent.State.RECEIVED).update(
        state=WebhookEvent.State.APPLIED,
        applied_at=timezone.now(),
        note=note[:200],
        payload=without_personal_data(event.payload),
    )
    return applied == 1


def _apply(event: WebhookEvent, body: dict[str, Any]) -> str:
    """Apply one event by the money it names; applying it again changes nothing."""
    try:
        if event.type in PAYMENTS:
            entity = body["payload"]["payment"]["entity"]
            payment, reason = payment_of(entity), str(entity.get("error_description") or "")
        elif event.type in REFUNDS:
            refund = refund_of(body["payload"]["refund"]["entity"])
        elif event.type.startswith(DISPUTE):
            dispute = body["payload"]["dispute"]["entity"]
            dispute_id, disputed_id = str(dispute["id"]), str(dispute["payment_id"])
        else:
            return "kept, nothing to do"
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise _Unreadable from error
    if event.type in REFUNDS:
        return apply_refund_news(refund)
    if event.type in PAYMENTS:
        return _apply_payment(event.type, payment, reason)
    return _apply_dispute(event, dispute_id, disputed_id)


def _apply_payment(kind: str, payment: Payment, reason: str) -> str:
    order_id = payment.order_id
    recharge = Recharge.objects.filter(razorpay_order_id=order_id).first() if order_id else None
    if kind == "payment.failed":
        if recharge is not None:
            mark_failed(razorpay_order_id=order_id, reason=reason)
        return "failed"
    if payment.status == "authorized":
        # Razorpay's own record, not this copy, says what may be captured: the reconciliation asks.
        return "not captured yet"
    if recharge is None:
        if not payment.was_captured:
            return "no top-up has this order"
        record_open_item(
            kind=OpenItem.Kind.NO_RECHARGE,
            reference=payment.id,
            # Money that is not rupees stands with 0 in books of rupees.
            amount_paise=payment.amount_paise if payment.currency == CURRENCY else 0,
        )
        return "no top-up has this order: needs an operator"
    done = complete_recharge(recharge=recharge, payment=payment, source=Recharge.Source.WEBHOOK)
    if done.payment_id != payment.id:
        logger.error("second captured payment on top-up %s", done.pk)
        return "a second payment: not credited, needs an operator"
    return "credited"


def _apply_dispute(event: WebhookEvent, dispute_id: str, payment_id: str) -> str:
    """Tell the operators of each step of a dispute once; its first one opens an item.

    A dispute moves no money between the shop and its customer, so it stands with 0 in the books:
    what the bank takes back is seen in the settlement.
    """
    phase = event.type.removeprefix(DISPUTE)
    note = f"dispute {phase}"

    def work() -> None:
        if not _mark_applied(event, note):
            return
        item = OpenItem.objects.filter(reference=dispute_id, kind=OpenItem.Kind.DISPUTE).first()
        if item is None:
            item = OpenItem.objects.create(
                kind=OpenItem.Kind.DISPUTE,
                reference=dispute_id,
                amount_paise=0,
                recharge=Recharge.objects.filter(payment_id=payment_id).first(),
                detail=f"of {payment_id}",
            )
        payment_disputed.send(sender=OpenItem, item=item, phase=phase)

    try:
        in_transaction(work)
    except IntegrityError:
        # Two first steps of one dispute met: now the item is there.
        in_transaction(work)
    return note
