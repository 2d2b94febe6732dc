"""Money that no document explains: recorded once, told to the operators, closed by one of them."""

from typing import Any

from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction
from wallet.errors import ItemRefused
from wallet.models import OpenItem, Recharge
from wallet.signals import open_item_recorded


def record_open_item(
    *,
    kind: str,
    reference: str,
    amount_paise: int,
    recharge: Recharge | None = None,
    detail: str = "",
) -> OpenItem:
    """Record what an operator must look at, and tell; the same finding again changes nothing.

    Args:
        reference: the payment, refund or dispute at Razorpay (or the document) that it is about.
        amount_paise: signed, plus for money that came in and was not credited.
    """
    found = OpenItem.objects.filter(reference=reference, kind=kind).first()
    if found is not None:
        return found

    def work() -> OpenItem:
        item = OpenItem.objects.create(
            kind=kind,
            reference=reference,
            amount_paise=amount_paise,
            recharge=recharge,
            detail=detail[:200],
        )
        open_item_recorded.send(sender=OpenItem, item=item)
        return item

    try:
        return in_transaction(work)
    except IntegrityError:
        # Found at the same moment by somebody else; anything else took the item back with it.
        found = OpenItem.objects.filter(reference=reference, kind=kind).first()
        if found is None:
            raise
        return found


def close_open_item(*, item: OpenItem, note: str, actor: Any) -> OpenItem:
    """Close an item after it was dealt with; it moves no money by itself.

    Args:
        note: what was done, such as the refund made in Razorpay's dashboard.
        actor: the operator.

    Raises:
        ItemRefused: no note, not an operator, or it is closed already.
    """
    if not actor.has_perm("wallet.change_openitem"):
        raise ItemRefused(_("Only an operator closes an item."))
    if not note.strip():
        raise ItemRefused(_("Write what was done about it."))

    def work() -> OpenItem:
        closed = OpenItem.objects.filter(pk=item.pk, state=OpenItem.State.OPEN).update(
            state=OpenItem.State.CLOSED,
            note=note.strip()[:200],
            closed_at=timezone.now(),
            closed_by=actor,
        )
        if closed != 1:
            raise ItemRefused(_("This item is closed already."))
        fresh = OpenItem.objects.get(pk=item.pk)
        record_event(
            actor=actor,
            action="wallet.close_item",
            target=fresh,
            before={"state": OpenItem.State.OPEN.value},
            after={"note": fresh.note, "amount_paise": fresh.amount_paise},
        )
        return fresh

    return in_transaction(work)
