"""Each receiver writes one notice in the transaction of what it tells, and does nothing else."""

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.phones import mask_phone
from accounts.signals import phone_changed
from catalog.signals import plan_back_in_stock
from notifications.models import Notification
from orders.signals import order_delivered, order_paid, order_refunded
from ottsonly.money import format_rupees
from subscriptions.signals import (
    credentials_replaced,
    invitation_sent_again,
    invitation_undone,
    password_changed,
    problem_answered,
    reminders_written,
    seat_lost,
    subscription_cancelled,
    subscription_extended,
)
from wallet.signals import (
    source_refund_finished,
    source_refund_requested,
    wallet_recharged,
)


def connect() -> None:
    """Listen to the rooms below."""
    for signal, receiver in (
        (order_paid, on_order_paid),
        (order_delivered, on_order_delivered),
        (order_refunded, on_order_refunded),
        (credentials_replaced, on_credentials_replaced),
        (subscription_extended, on_subscription_extended),
        (subscription_cancelled, on_subscription_cancelled),
        (reminders_written, on_reminders_written),
        (plan_back_in_stock, on_plan_back_in_stock),
        (password_changed, on_password_changed),
        (seat_lost, on_seat_lost),
        (invitation_undone, on_invitation_undone),
        (invitation_sent_again, on_invitation_sent_again),
        (problem_answered, on_problem_answered),
        (wallet_recharged, on_wallet_recharged),
        (phone_changed, on_phone_changed),
        (source_refund_requested, on_source_refund_requested),
        (source_refund_finished, on_source_refund_finished),
    ):
        signal.connect(receiver, dispatch_uid=f"notifications.{receiver.__name__}")


def _title(text: str) -> str:
    """Keep to the field: names of platforms and plans together may be longer."""
    return Truncator(text).chars(120)


def on_order_paid(*, order: Any, subscription: Any, **kwargs: Any) -> None:
    """An order that waits says so; one delivered at once is told of by its delivery."""
    if order.is_renewal:
        _tell_of_renewal(order, subscription)
        return
    if not order.is_waiting:
        return
    Notification.objects.create(
        user_id=order.user_id,
        kind=Notification.Kind.ORDER,
        title=_title(_("%s is being prepared") % subscription),
        body=_("We have your payment for order %s and tell you when it is ready.") % order.number,
        link=order.get_absolute_url(),
    )


def _tell_of_renewal(order: Any, subscription: Any) -> None:
    body = _("Order %s was paid. The days are added at delivery.") % order.number
    if subscription.delivered_at is not None:
        end = timezone.localtime(subscription.ends_at)
        body = _("It runs until %(end)s now (order %(number)s).") % {
            "end": date_format(end, "j M Y"),
            "number": order.number,
        }
    _subscription_notice(subscription, _("%s is renewed") % subscription, body)


def _subscription_notice(subscription: Any, title: str, body: str) -> None:
    Notification.objects.create(
        user_id=subscription.user_id,
        kind=Notification.Kind.SUBSCRIPTION,
        title=_title(title),
        body=body,
        link=subscription.get_absolute_url(),
    )


def on_credentials_replaced(*, subscription: Any, **kwargs: Any) -> None:
    """The old login will not work any more."""
    _subscription_notice(
        subscription,
        _("%s has a new login") % subscription,
        _("Please use the new login details from now on. Your dates stay as they were."),
    )


def on_subscription_extended(*, subscription: Any, extension: Any, **kwargs: Any) -> None:
    """Days were given."""
    _subscription_notice(
        subscription,
        _("%s got more days") % subscription,
        ngettext("%d day was added.", "%d days were added.", extension.days) % extension.days,
    )


def on_subscription_cancelled(*, subscription: Any, **kwargs: Any) -> None:
    """An operator ended it."""
    _subscription_notice(
        subscription,
        _("%s was cancelled") % subscription,
        _("It has ended and its login is not yours any more."),
    )


def on_plan_back_in_stock(*, plan: Any, watches: Any, **kwargs: Any) -> None:
    """What they waited for is there."""
    Notification.objects.bulk_create(
        Notification(
            user_id=watch.user_id,
            kind=Notification.Kind.NOTICE,
            title=_title(_("%s is back in stock") % f"{plan.platform.name} {plan.name}"),
            body=_("You asked to be told. It may sell out again."),
            link=plan.get_absolute_url(),
        )
        for watch in watches
    )


def on_reminders_written(*, reminders: Any, **kwargs: Any) -> None:
    """An end is near or was reached: one command, however many there are."""
    Notification.objects.bulk_create(
        Notification(
            user_id=reminder.user_id,
            kind=Notification.Kind.SUBSCRIPTION,
            title=_title(reminder.title),
            body=reminder.body,
            link=reminder.link,
        )
        for reminder in reminders
    )


def on_password_changed(*, subscription: Any, **kwargs: Any) -> None:
    """The account stays, its password is another."""
    _subscription_notice(
        subscription,
        _("%s has a new password") % subscription,
        _("The old password does not work any more. The new one is on the page of your plan."),
    )


def on_seat_lost(*, subscription: Any, **kwargs: Any) -> None:
    """The account was retired and the next one is not there yet."""
    _subscription_notice(
        subscription,
        _("%s gets a new login") % subscription,
        _("The old one does not work any more. We tell you as soon as the new one is here."),
    )


def on_invitation_undone(*, subscription: Any, **kwargs: Any) -> None:
    """It was said to be sent, and was not."""
    _subscription_notice(
        subscription,
        _("%s: your invitation was not sent") % subscription,
        _("We are sending it again. The days that you lost are added then."),
    )


def on_invitation_sent_again(*, subscription: Any, **kwargs: Any) -> None:
    """Now it was."""
    _subscription_notice(
        subscription,
        _("%s: your invitation was sent") % subscription,
        _("Look for it in the mail of %s.") % subscription.customer_email,
    )


def on_problem_answered(*, report: Any, subscription: Any, **kwargs: Any) -> None:
    """An operator answered what the customer reported."""
    title = _("%s: an answer to your report") % subscription
    _subscription_notice(subscription, title, report.answer)


def on_order_delivered(*, order: Any, subscription: Any, **kwargs: Any) -> None:
    """The login details, or the invitation, are there."""
    Notification.objects.create(
        user_id=order.user_id,
        kind=Notification.Kind.ORDER,
        title=_title(_("%s is ready") % subscription),
        body=_("Order %s was delivered. Your days have started.") % order.number,
        link=subscription.get_absolute_url(),
    )


def on_order_refunded(*, order: Any, refund: Any, **kwargs: Any) -> None:
    """Money came back."""
    Notification.objects.create(
        user_id=order.user_id,
        kind=Notification.Kind.REFUND,
        title=_("%s is back in your wallet") % format_rupees(refund.amount_paise),
        body=_("Refund of order %s.") % order.number,
        link=order.get_absolute_url(),
    )


def on_wallet_recharged(*, recharge: Any, entry: Any, **kwargs: Any) -> None:
    """A top-up arrived."""
    Notification.objects.create(
        user_id=recharge.user_id,
        kind=Notification.Kind.WALLET,
        title=_("%s is in your wallet") % format_rupees(recharge.amount_paise),
        body=_("Your balance is %s.") % format_rupees(entry.balance_after_paise),
        link=recharge.get_absolute_url(),
    )


def on_source_refund_requested(*, refund: Any, **kwargs: Any) -> None:
    """Money leaves the wallet for the bank."""
    Notification.objects.create(
        user_id=refund.user_id,
        kind=Notification.Kind.REFUND,
        title=_("%s are on their way back to you") % format_rupees(refund.amount_paise),
        body=_("They go to where you paid from. Banks take up to 7 working days."),
        link=refund.recharge.get_absolute_url(),
    )


def on_source_refund_finished(*, refund: Any, **kwargs: Any) -> None:
    """Sent to the bank, or in the wallet again."""
    amount = format_rupees(refund.amount_paise)
    failed = refund.state == refund.State.FAILED
    Notification.objects.create(
        user_id=refund.user_id,
        kind=Notification.Kind.REFUND,
        title=_("%s is in your wallet again") % amount if failed else _("%s was sent") % amount,
        body=_("The refund to where you paid from failed.")
        if failed
        else _("The refund to where you paid from was made."),
        link=refund.recharge.get_absolute_url(),
    )


def on_phone_changed(*, user: Any, old_phone: str, **kwargs: Any) -> None:
    """Said in the shop too, where a thief of the account cannot help leaving it."""
    if not user.is_customer:
        return
    Notification.objects.create(
        user_id=user.pk,
        kind=Notification.Kind.NOTICE,
        title=_("Your phone number was changed"),
        body=_("From %(old)s to %(new)s. Every other device was logged out.")
        % {"old": mask_phone(old_phone), "new": mask_phone(user.phone)},
        link=reverse("accounts:profile"),
    )
