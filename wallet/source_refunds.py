"""Money that goes back to where it was paid from: out of the wallet first, then asked of Razorpay.

Whatever happens after the first transaction, the money is in exactly one place: on its way
(requested), at its source (processed) or in the wallet again (failed). "No answer" means unknown,
and unknown is asked again with the same key until Razorpay says which of the two it is.
"""

import logging
from datetime import timedelta
from typing import Any

from bson import ObjectId
from django.conf import settings
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from ottsonly.audit import record_event
from ottsonly.jobs import may_continue
from ottsonly.money import format_rupees
from ottsonly.mongo import in_transaction
from ottsonly.states import sources
from wallet.errors import (
    GatewayRefused,
    GatewayUnavailable,
    InsufficientBalance,
    SourceRefundRefused,
    TopUpRefused,
)
from wallet.gateway import GatewayRefund, RazorpayGateway
from wallet.models import OpenItem, Recharge, SourceRefund
from wallet.open_items import record_open_item
from wallet.services import ensure_wallet, post_entry
from wallet.signals import source_refund_finished, source_refund_requested

logger = logging.getLogger(__name__)

# Razorpay takes no refund below one rupee.
MINIMUM_PAISE = 100
# The first repeat comes later than any call of ours can still be under way.
FIRST_REPEAT = timedelta(minutes=1)
LONGEST_REPEAT = timedelta(hours=1)


def request_source_refund(
    *, recharge: Recharge, amount_paise: int, reason: str, actor: Any, key: str
) -> SourceRefund:
    """Take unspent money of a top-up out of the wallet and ask Razorpay to give it back.

    Args:
        amount_paise: how much; with everything given back before it never exceeds the top-up.
        actor: an operator; nobody else may.
        key: the idempotency key of the form; the same key refunds once.

    Returns:
        The refund; still `requested` when Razorpay has not said how it ended.

    Raises:
        SourceRefundRefused: not an operator, not between ₹1 and what is left of the top-up, spent
            already, or the key was used for another refund.
    """
    if not actor.has_perm("wallet.add_sourcerefund"):
        raise SourceRefundRefused(_("Only an operator gives money back."))
    ensure_wallet(recharge.user_id)
    try:
        refund = in_transaction(lambda: _request(recharge.pk, amount_paise, reason, actor, key))
    except InsufficientBalance as shortage:
        raise _spent(shortage.balance_paise) from None
    except IntegrityError:
        earlier = SourceRefund.objects.filter(key=key).first()
        if earlier is None:
            raise
        if (earlier.recharge_id, earlier.amount_paise) != (recharge.pk, amount_paise):
            raise SourceRefundRefused(_("This form was used for another refund already.")) from None
        return earlier
    return send_source_refund(refund=refund)


def check_source_refund(*, recharge: Recharge, amount_paise: int, balance_paise: int) -> None:
    """Raise SourceRefundRefused if more is asked than is left of the top-up or in the wallet."""
    _check_amount(recharge, amount_paise)
    if amount_paise > balance_paise:
        raise _spent(balance_paise)


def _check_amount(recharge: Recharge, amount_paise: int) -> None:
    if not MINIMUM_PAISE <= amount_paise <= recharge.refundable_paise:
        raise SourceRefundRefused(
            _("The amount must be between ₹1 and what is left of the top-up.")
        )


def _spent(balance_paise: int) -> SourceRefundRefused:
    return SourceRefundRefused(
        _("The wallet holds %(balance)s only: the rest was spent.")
        % {"balance": format_rupees(balance_paise)}
    )


def _request(
    recharge_id: ObjectId, amount_paise: int, reason: str, actor: Any, key: str
) -> SourceRefund:
    recharge = Recharge.objects.get(pk=recharge_id)
    refund = SourceRefund.objects.create(
        recharge=recharge,
        user_id=recharge.user_id,
        amount_paise=max(amount_paise, 0),
        reason=reason,
        actor=actor,
        key=key,
    )
    _check_amount(recharge, amount_paise)
    moved = Recharge.objects.filter(
        pk=recharge_id, state=Recharge.State.COMPLETED, refunded_paise=recharge.refunded_paise
    ).update(refunded_paise=F("refunded_paise") + amount_paise)
    if moved != 1:
        raise SourceRefundRefused(_("This top-up was changed by somebody else. Look again."))
    post_entry(
        user_id=recharge.user_id,
        amount_paise=-amount_paise,
        reference_type="source_refund",
        reference_id=str(refund.pk),
        key=f"source_refund:{refund.pk}",
        description=_("Back to where you paid from"),
        actor_id=actor.pk,
    )
    record_event(
        actor=actor,
        action="wallet.source_refund",
        target=recharge,
        before={"refunded_paise": recharge.refunded_paise},
        after={"amount_paise": amount_paise, "reason": reason},
    )
    source_refund_requested.send(sender=SourceRefund, refund=refund)
    return refund


def send_due_source_refunds(*, limit: int = 20) -> int:
    """Ask again about refunds whose end nobody knows yet; return how many ended."""
    if not settings.RAZORPAY_KEY_ID:
        return 0
    due = SourceRefund.objects.filter(
        state=SourceRefund.State.REQUESTED, next_attempt_at__lte=timezone.now()
    )
    ended = 0
    for refund in due.order_by("next_attempt_at")[:limit]:
        if not may_continue():
            break
        try:
            fresh = send_source_refund(refund=refund)
        except Exception:
            # Its next attempt is set; the ones behind it must not wait for it.
            logger.exception("refund to source %s failed", refund.pk)
            continue
        ended += fresh.state != SourceRefund.State.REQUESTED
    return ended


def send_source_refund(*, refund: SourceRefund) -> SourceRefund:
    """Ask Razorpay once for this refund, or how it stands; two callers never ask at once."""
    pause = min(LONGEST_REPEAT, FIRST_REPEAT * 2 ** min(refund.attempts, 10))
    claimed = SourceRefund.objects.filter(
        pk=refund.pk,
        state=SourceRefund.State.REQUESTED,
        attempts=refund.attempts,
    ).update(attempts=F("attempts") + 1, next_attempt_at=timezone.now() + pause)
    if claimed == 1:
        try:
            _ask(refund)
        except GatewayUnavailable as unknown:
            logger.warning("refund to source %s is not answered yet: %s", refund.pk, unknown)
        except TopUpRefused:
            # No keys are set: it waits for them.
            logger.warning("refund to source %s waits for keys of Razorpay", refund.pk)
    refund.refresh_from_db()
    return refund


def _ask(refund: SourceRefund) -> None:
    gateway = RazorpayGateway()
    payment_id = str(refund.recharge.payment_id)
    if refund.razorpay_refund_id:
        # Known there: a repeat would only read us the first answer again.
        known = _at_source(gateway, refund, payment_id)
        if known is not None:
            apply_refund_news(known)
        return
    try:
        answer = gateway.refund(
            payment_id=payment_id,
            amount_paise=refund.amount_paise,
            key=idempotency_key(refund),
            reference=str(refund.pk),
        )
    except GatewayRefused as refusal:
        # An earlier call of ours may have done it without our hearing of it, and be the very
        # reason of this refusal.
        done = _at_source(gateway, refund, payment_id)
        if done is None:
            _finish(refund, SourceRefund.State.FAILED, reason=str(refusal.__cause__ or refusal))
            return
        answer = done
    apply_refund_news(answer)


def idempotency_key(refund: SourceRefund) -> str:
    """Return the same key for the same refund, always."""
    return f"source-refund-{refund.pk}"


def _at_source(
    gateway: RazorpayGateway, refund: SourceRefund, payment_id: str
) -> GatewayRefund | None:
    for known in gateway.refunds_of(payment_id):
        if known.reference == str(refund.pk) or known.id == refund.razorpay_refund_id:
            return known
    return None


def apply_refund_news(news: GatewayRefund) -> str:
    """Follow what Razorpay says of a refund, whoever brings it; return a note.

    News may come in any order and again: an end is final, and one that contradicts it becomes an
    open item, as does a refund that was never asked for here.
    """
    refund = _ours(news)
    if refund is None:
        if news.status != "processed":
            return "kept, nothing to do"
        _foreign(news, detail="not asked for here")
        return "a refund that was not asked for here"
    SourceRefund.objects.filter(pk=refund.pk, razorpay_refund_id="").update(
        razorpay_refund_id=news.id
    )
    if news.status == "processed":
        if _finish(refund, SourceRefund.State.PROCESSED) == SourceRefund.State.FAILED:
            _foreign(news, detail=f"failed before and was given back: {refund.pk}")
        return "processed"
    if news.status == "failed":
        ended = _finish(refund, SourceRefund.State.FAILED, reason=_("Razorpay: refund failed"))
        if ended == SourceRefund.State.PROCESSED:
            _missing(refund, detail="processed before, failed now")
        return "failed, given back to the wallet"
    return "on its way"


def _ours(news: GatewayRefund) -> SourceRefund | None:
    refunds = SourceRefund.objects.select_related("recharge")
    refund = refunds.filter(razorpay_refund_id=news.id).first()
    if refund is None and ObjectId.is_valid(news.reference):
        refund = refunds.filter(pk=news.reference).first()
    if refund is None:
        return None
    same = (refund.recharge.payment_id, refund.amount_paise) == (news.payment_id, news.amount_paise)
    return refund if same and refund.razorpay_refund_id in ("", news.id) else None


def _foreign(news: GatewayRefund, *, detail: str) -> None:
    record_open_item(
        kind=OpenItem.Kind.FOREIGN_REFUND,
        reference=news.id,
        amount_paise=-news.amount_paise,
        recharge=Recharge.objects.filter(payment_id=news.payment_id).first(),
        detail=f"of {news.payment_id}, {detail}",
    )


def _missing(refund: SourceRefund, *, detail: str) -> None:
    record_open_item(
        kind=OpenItem.Kind.REFUND_MISSING,
        reference=str(refund.pk),
        amount_paise=refund.amount_paise,
        recharge=refund.recharge,
        detail=detail,
    )


def _finish(refund: SourceRefund, state: str, *, reason: str = "") -> str:
    """Move a refund to its end, once; return the state that it is in now."""
    ensure_wallet(refund.user_id)

    def work() -> str:
        moved = SourceRefund.objects.filter(
            pk=refund.pk,
            state__in=sources(SourceRefund.TRANSITIONS, SourceRefund.State(state)),
        ).update(state=state, finished_at=timezone.now(), failure_reason=reason[:200])
        fresh = SourceRefund.objects.select_related("recharge").get(pk=refund.pk)
        if moved != 1:
            return fresh.state
        if state == SourceRefund.State.FAILED:
            Recharge.objects.filter(pk=refund.recharge_id).update(
                refunded_paise=F("refunded_paise") - refund.amount_paise
            )
            post_entry(
                user_id=refund.user_id,
                amount_paise=refund.amount_paise,
                reference_type="source_refund",
                reference_id=str(refund.pk),
                key=f"source_refund_back:{refund.pk}",
                description=_("The refund failed: back in your wallet"),
            )
        source_refund_finished.send(sender=SourceRefund, refund=fresh)
        return state

    return in_transaction(work)
