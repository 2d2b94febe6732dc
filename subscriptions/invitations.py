"""Invitations of customers' own accounts that were marked as sent and were not.

`delivered_at` is set once and no date moves back: what was told to the customer stays true. While
the invitation is undone the days go on, and when it is sent again the customer gets as many as
were lost, each begun day counted whole.
"""

import math
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from catalog.models import Delivery
from ottsonly import clock
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction
from subscriptions.errors import InvitationRefused
from subscriptions.models import Subscription
from subscriptions.services import extend_subscription
from subscriptions.signals import invitation_sent_again, invitation_undone

# After this the customer had the use of it, or complains of something else.
UNDONE_WITHIN = timedelta(days=7)


def can_undo_invitation(subscription: Subscription) -> bool:
    """Say whether its invitation can still be marked as not sent."""
    now = clock.now()
    return bool(
        subscription.delivery == Delivery.CUSTOMER_EMAIL
        and subscription.delivered_at is not None
        and subscription.is_running(now)
        and subscription.is_invited
        and subscription.invited_at is not None
        and subscription.invited_at > now - UNDONE_WITHIN
    )


def undo_invitation(*, subscription: Subscription, note: str, actor: Any) -> None:
    """Note that the invitation was not sent after all.

    Raises:
        InvitationRefused: it is not marked as sent, was so for more than seven days, or ended.
    """

    def work() -> None:
        fresh = Subscription.objects.get(pk=subscription.pk)
        if not can_undo_invitation(fresh):
            raise InvitationRefused(
                _("Only an invitation marked as sent within the last 7 days can be undone.")
            )
        undone = Subscription.objects.filter(
            pk=fresh.pk,
            state=Subscription.State.ACTIVE,
            invited_at=fresh.invited_at,
            invitation_undone_at__isnull=True,
        ).update(invitation_undone_at=clock.now())
        if undone != 1:
            raise InvitationRefused(_("This subscription was changed at the same moment."))
        record_event(
            actor=actor, action="subscription.undo_invitation", target=fresh, after={"note": note}
        )
        invitation_undone.send(sender=Subscription, subscription=fresh)

    in_transaction(work)


def lost_days(subscription: Subscription) -> int:
    """Return the days, begun ones counted whole, since the invitation that was never sent."""
    if subscription.invited_at is None:
        return 0
    return max(1, math.ceil((clock.now() - subscription.invited_at) / timedelta(days=1)))


def send_invitation_again(*, subscription: Subscription, note: str, actor: Any) -> int:
    """Mark an undone invitation as sent now, and give the lost days; return how many.

    Raises:
        InvitationRefused: its invitation is not undone, or it ended.
    """

    def work() -> int:
        fresh = Subscription.objects.get(pk=subscription.pk)
        if fresh.invitation_undone_at is None or fresh.state != Subscription.State.ACTIVE:
            raise InvitationRefused(_("The invitation of this subscription is not undone."))
        days = lost_days(fresh)
        marked = Subscription.objects.filter(
            pk=fresh.pk,
            state=Subscription.State.ACTIVE,
            invitation_undone_at=fresh.invitation_undone_at,
        ).update(invited_at=clock.now(), invitation_undone_at=None)
        if marked != 1:
            raise InvitationRefused(_("This subscription was changed at the same moment."))
        record_event(
            actor=actor,
            action="subscription.send_invitation_again",
            target=fresh,
            after={"note": note, "days": days},
        )
        extend_subscription(
            subscription=fresh,
            days=days,
            reason="The invitation was sent late",
            actor=actor,
            key=f"invite:{fresh.pk}:{int(fresh.invitation_undone_at.timestamp() * 1000)}",
        )
        fresh.refresh_from_db()
        invitation_sent_again.send(sender=Subscription, subscription=fresh)
        return days

    return in_transaction(work)
