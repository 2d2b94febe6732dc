"""Top-ups: started by us, paid at Razorpay, credited once whoever brings the news first."""

from datetime import timedelta
from typing import Any

from bson import ObjectId
from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from ottsonly.limits import allow
from ottsonly.money import format_rupees
from ottsonly.mongo import in_transaction
from ottsonly.states import sources
from wallet.errors import (
    GatewayRefused,
    GatewayUnavailable,
    KeyReused,
    TooManyTopUps,
    TopUpRefused,
    WalletClosed,
)
from wallet.gateway import CURRENCY, Payment, RazorpayGateway, payment_signature_is_valid
from wallet.models import OpenItem, Recharge
from wallet.open_items import record_open_item
from wallet.services import ensure_wallet, is_closed, post_entry
from wallet.signals import payment_succeeded, wallet_recharged

# Every state from which a captured payment still completes a top-up.
OPEN_STATES = sources(Recharge.TRANSITIONS, Recharge.State.COMPLETED)
HOUR, DAY = 3600, 86400
# A browser and a web hook need a moment; only then is Razorpay asked.
FIRST_CHECK = timedelta(minutes=2)


def start_recharge(*, user: Any, amount_paise: int, key: str, return_url: str = "") -> Recharge:
    """Save a top-up, then attach Razorpay's order to it.

    Args:
        key: of the form; the same key gives the same top-up.
        return_url: where the customer goes on afterwards, already checked to be ours.

    Raises:
        TopUpRefused: outside the limits, or top-ups are not open.
        TooManyTopUps: more were started in an hour or a day than anybody needs.
        KeyReused: the key was used for another amount.
        GatewayUnavailable: Razorpay does not answer; the same form may be sent again.
    """
    low, high = settings.TOPUP_MIN_PAISE, settings.TOPUP_MAX_PAISE
    if not low <= amount_paise <= high:
        raise TopUpRefused(
            _("Choose an amount from %(low)s to %(high)s.")
            % {"low": format_rupees(low), "high": format_rupees(high)}
        )
    gateway = RazorpayGateway()
    recharge = Recharge.objects.filter(user_id=user.pk, key=key).first()
    if recharge is None:
        recharge = _save_new(user, amount_paise, key, return_url)
    if recharge.amount_paise != amount_paise:
        raise KeyReused(_("This form was used for another amount already."))
    if not recharge.razorpay_order_id:
        order_id = gateway.create_order(amount_paise=amount_paise, receipt=str(recharge.pk))
        Recharge.objects.filter(pk=recharge.pk, razorpay_order_id__isnull=True).update(
            razorpay_order_id=order_id
        )
        recharge.refresh_from_db()
    return recharge


def _save_new(user: Any, amount_paise: int, key: str, return_url: str) -> Recharge:
    _refuse_too_many(user.pk)
    now = timezone.now()
    try:
        recharge = Recharge.objects.create(
            user=user,
            amount_paise=amount_paise,
            key=key,
            return_url=return_url,
            created_at=now,
            next_check_at=now + FIRST_CHECK,
        )
    except IntegrityError:
        # The same form, sent twice at once.
        return Recharge.objects.get(user_id=user.pk, key=key)
    _give_up_oldest(user.pk)
    return recharge


def _refuse_too_many(user_id: ObjectId) -> None:
    if not allow(f"topup-hour:{user_id}", limit=settings.TOPUPS_PER_HOUR, seconds=HOUR):
        raise TooManyTopUps(_("You started many top-ups just now. Please try again in an hour."))
    if not allow(f"topup-day:{user_id}", limit=settings.TOPUPS_PER_DAY, seconds=DAY):
        raise TooManyTopUps(_("You started many top-ups today. Please try again tomorrow."))


def _give_up_oldest(user_id: ObjectId) -> None:
    """Keep a customer's list of open top-ups short; one given up is still credited when paid."""
    pending = Recharge.objects.filter(user_id=user_id, state=Recharge.State.PENDING)
    newest = pending.order_by("-created_at").values_list("pk", flat=True)
    too_many = list(newest[settings.TOPUPS_OPEN_MAX : settings.TOPUPS_OPEN_MAX + 100])
    if too_many:
        pending.filter(pk__in=too_many).update(state=Recharge.State.EXPIRED)


def confirm_callback(
    *, recharge: Recharge, order_id: str, payment_id: str, signature: str
) -> Recharge:
    """Credit what Checkout reports, after its signature and Razorpay's own record agree.

    Raises:
        TopUpRefused: the signature is forged, or belongs to another order.
        GatewayUnavailable: Razorpay does not answer; the web hook credits the payment later.
    """
    signed = payment_signature_is_valid(
        order_id=order_id, payment_id=payment_id, signature=signature
    )
    if not signed or not recharge.razorpay_order_id or order_id != recharge.razorpay_order_id:
        raise TopUpRefused(_("This payment could not be confirmed. Nothing was changed."))
    if recharge.state == Recharge.State.COMPLETED and recharge.payment_id == payment_id:
        # The web hook was quicker, or the form came twice.
        return recharge
    try:
        payment = RazorpayGateway().fetch_payment(payment_id)
        return complete_recharge(
            recharge=recharge, payment=payment, source=Recharge.Source.CALLBACK
        )
    except GatewayUnavailable as error:
        # The customer has paid by now: "try again" would make a second payment.
        raise GatewayUnavailable(
            _("Razorpay has not confirmed this payment yet. Do not pay again: it is credited soon.")
        ) from error


def complete_recharge(*, recharge: Recharge, payment: Payment, source: str) -> Recharge:
    """Credit a captured payment once; amount and user come from our own document.

    An authorised payment is captured first, for exactly our amount; one of another amount is left
    alone, and Razorpay gives it back by itself. What was captured and cannot be credited (another
    amount, a second payment, given back already, a deleted account) becomes an open item, never a
    silence.

    Returns:
        The top-up; its `payment_id` is another one when this was a second payment.

    Raises:
        TopUpRefused: order, amount, currency or status are not those of this top-up.
    """
    refusal = TopUpRefused(_("This payment does not match the top-up. Nothing was changed."))
    if payment.order_id != recharge.razorpay_order_id:
        raise refusal
    fits = payment.amount_paise == recharge.amount_paise and payment.currency == CURRENCY
    if fits and payment.status == "authorized":
        recharge.refresh_from_db()
        if recharge.state == Recharge.State.COMPLETED or is_closed(recharge.user_id):
            # Nobody owes it (a second payment, or the account is deleted): not captured, it goes
            # back to the customer by itself.
            return recharge
        payment = _capture(payment)
    if not payment.was_captured:
        raise refusal
    if not fits:
        record_open_item(
            kind=OpenItem.Kind.OTHER_AMOUNT,
            reference=payment.id,
            amount_paise=payment.amount_paise if payment.currency == CURRENCY else 0,
            recharge=recharge,
            detail=f"{payment.currency}, the top-up is of {recharge.amount_paise} paise",
        )
        raise refusal
    if payment.status == "refunded":
        return _given_back_already(recharge, payment)
    ensure_wallet(recharge.user_id)
    try:
        done = in_transaction(lambda: _credit(recharge.pk, payment.id, source))
    except WalletClosed:
        record_open_item(
            kind=OpenItem.Kind.ACCOUNT_CLOSED,
            reference=payment.id,
            amount_paise=payment.amount_paise,
            recharge=recharge,
            detail="paid after the account was deleted: give it back in the dashboard",
        )
        raise refusal from None
    except IntegrityError:
        # The payment or the entry may be there already: somebody else was first. Anything else
        # (a listener's own duplicate) took the credit back with it and must not pass for one.
        recharge.refresh_from_db()
        if recharge.state != Recharge.State.COMPLETED:
            raise
        done = recharge
    if done.payment_id != payment.id:
        record_open_item(
            kind=OpenItem.Kind.SECOND_PAYMENT,
            reference=payment.id,
            amount_paise=payment.amount_paise,
            recharge=done,
            detail=f"credited before: {done.payment_id}",
        )
    return done


def _given_back_already(recharge: Recharge, payment: Payment) -> Recharge:
    """A payment that came and went: credited before it went, or never to be credited."""
    recharge.refresh_from_db()
    if recharge.payment_id != payment.id:
        record_open_item(
            kind=OpenItem.Kind.SECOND_PAYMENT if recharge.payment_id else OpenItem.Kind.NO_RECHARGE,
            reference=payment.id,
            amount_paise=payment.amount_paise,
            recharge=recharge,
            detail="given back at Razorpay before it was credited",
        )
    return recharge


def _capture(payment: Payment) -> Payment:
    gateway = RazorpayGateway()
    try:
        return gateway.capture(payment)
    except GatewayRefused:
        # Captured between our look and our call, by Razorpay or by another request of ours.
        again = gateway.fetch_payment(payment.id)
        if again.status != "captured":
            raise
        return again


def _credit(recharge_id: ObjectId, payment_id: str, source: str) -> Recharge:
    moved = Recharge.objects.filter(pk=recharge_id, state__in=OPEN_STATES).update(
        state=Recharge.State.COMPLETED,
        payment_id=payment_id,
        source=source,
        completed_at=timezone.now(),
        failure_reason="",
    )
    recharge = Recharge.objects.select_related("user").get(pk=recharge_id)
    if moved != 1:
        return recharge
    entry = post_entry(
        user_id=recharge.user_id,
        amount_paise=recharge.amount_paise,
        reference_type="recharge",
        reference_id=str(recharge.pk),
        key=f"recharge:{recharge.pk}",
        description=_("Top-up by Razorpay"),
    )
    payment_succeeded.send(sender=Recharge, recharge=recharge)
    wallet_recharged.send(sender=Recharge, recharge=recharge, entry=entry)
    return recharge


def mark_failed(*, razorpay_order_id: str, reason: str) -> None:
    """Note that a payment failed; a later captured one still completes the top-up."""
    Recharge.objects.filter(
        razorpay_order_id=razorpay_order_id, state=Recharge.State.PENDING
    ).update(state=Recharge.State.FAILED, failure_reason=reason[:200])
