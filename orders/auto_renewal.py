"""Automatic renewal: the customer's own renewal, made by the worker from the wallet.

Nothing is charged that was not announced: the price at the moment of the charge must not be above
what the customer agreed to on the page, or was told at least a day before. The key of the order is
made of subscription and end, so no end is renewed twice, whoever tries and however often.
"""

import logging
import math
from datetime import timedelta

from django.utils.translation import gettext as _

from catalog.errors import SoldOut
from catalog.models import Plan
from orders.errors import OrderRefused, PriceChanged
from orders.models import Order
from orders.quotes import Quote
from orders.services import renew
from ottsonly import clock
from ottsonly.jobs import may_continue
from ottsonly.money import format_rupees
from subscriptions.lifecycle import FIRST_TRY_DAYS, day_of, in_window, write_reminder
from subscriptions.models import Reminder, Subscription
from wallet.errors import InsufficientBalance

logger = logging.getLogger(__name__)

DAY = timedelta(days=1)
# How long before the charge its amount was told.
NOTICE = DAY
SHORT = {3: Reminder.Kind.SHORT_3, 2: Reminder.Kind.SHORT_2, 1: Reminder.Kind.SHORT_1}


def renew_due() -> None:
    """Try each automatic renewal whose day has come; a job of the worker.

    After the end nothing is charged any more: what no worker renewed in time has ended, and the
    customer is told that nothing was taken.
    """
    now = clock.now()
    for batch in in_window(now, now + FIRST_TRY_DAYS * DAY, auto_renew=True):
        for subscription in batch:
            if not may_continue():
                return
            try:
                renew_automatically(subscription)
            except Exception:
                # The next run tries it again; the ones behind it must not wait for it.
                logger.exception("subscription %s could not be renewed", subscription.pk)


def renew_automatically(subscription: Subscription) -> bool:
    """Try to renew one subscription for its present end; say whether it was renewed."""
    told = {
        reminder.kind: reminder
        for reminder in Reminder.objects.filter(
            subscription_id=subscription.pk, ends_at=subscription.ends_at
        )
    }
    now = clock.now()
    days_left = math.ceil((subscription.ends_at - now) / DAY)
    if Reminder.Kind.NOT_RENEWED in told or SHORT[max(1, min(days_left, FIRST_TRY_DAYS))] in told:
        # Given up, or tried today already.
        return False
    plan = subscription.plan
    if not subscription.plan_is_sold:
        return _give_up(subscription, _("It is not sold any more. Nothing was taken."))
    fitting = [reminder for reminder in told.values() if _covers(reminder, plan)]
    if not any(
        reminder.kind == Reminder.Kind.CONSENT or reminder.created_at <= now - NOTICE
        for reminder in fitting
    ):
        if fitting or Reminder.Kind.RENEWAL not in told:
            # Announced too short a time ago, or not yet: the job of the reminders does that.
            return False
        return _give_up(
            subscription,
            _(
                "It costs %(price)s for %(days)d days now, which is not what was announced. "
                "Nothing was taken. Renew it yourself if you want it at this price."
            )
            % {"price": format_rupees(plan.price_paise), "days": plan.duration_days},
        )
    quote = Quote(
        user_id=str(subscription.user_id),
        plan_id=str(plan.pk),
        price_paise=plan.price_paise,
        duration_days=plan.duration_days,
        key=f"auto:{subscription.pk}:{int(subscription.ends_at.timestamp() * 1000)}",
        renews=str(subscription.pk),
    )
    try:
        order = renew(user=subscription.user, quote=quote, automatic_for=subscription.ends_at)
    except InsufficientBalance as refusal:
        missing = format_rupees(refusal.needed_paise - refusal.balance_paise)
        _tell_of_short_wallet(subscription, days_left, missing)
    except PriceChanged:
        # Changed since it was read a moment ago: the next run looks at the new price.
        return False
    except SoldOut:
        return _give_up(subscription, _("It is not sold any more. Nothing was taken."))
    except OrderRefused as refusal:
        # Renewed or switched off at this moment, ended, or too many purchases in this hour.
        logger.info("subscription %s not renewed: %s", subscription.pk, refusal)
    else:
        if order.state != Order.State.REFUNDED:
            return True
        # The renewal for this end was made and given back: it is not made a second time.
        return _give_up(subscription, _("Its renewal was refunded."))
    return False


def _covers(reminder: Reminder, plan: Plan) -> bool:
    """Say whether the plan as it is now costs no more than was agreed or announced."""
    if reminder.amount_paise is None or reminder.days is None:
        return False
    return plan.price_paise <= reminder.amount_paise and plan.duration_days >= reminder.days


def _tell_of_short_wallet(subscription: Subscription, days_left: int, missing: str) -> None:
    way_on = _("Top up your wallet: it is tried again tomorrow.")
    if days_left <= 1:
        way_on = _("This was the last try: top up and renew it yourself.")
    write_reminder(
        subscription=subscription,
        kind=SHORT[max(1, min(days_left, FIRST_TRY_DAYS))],
        title=_("%(plan)s: your wallet is short of %(missing)s")
        % {"plan": subscription, "missing": missing},
        body=_("It could not be renewed and ends on %s.") % day_of(subscription.ends_at)
        + f" {way_on}",
    )


def _give_up(subscription: Subscription, reason: str) -> bool:
    write_reminder(
        subscription=subscription,
        kind=Reminder.Kind.NOT_RENEWED,
        title=_("%s will not renew by itself") % subscription,
        body=reason + " " + _("It ends on %s.") % day_of(subscription.ends_at),
    )
    return False
