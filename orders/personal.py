"""What orders know of a customer."""

from typing import Any

from django.utils.translation import gettext as _

from orders.models import Order, Refund


def export(user: Any) -> dict[str, Any]:
    """Return what was bought and given back."""
    mine = Order.objects.for_user(user)
    return {
        "orders": list(
            mine.order_by("pk").values(
                "number",
                "created_at",
                "platform_name",
                "plan_name",
                "price_paise",
                "duration_days",
                "customer_email",
                "state",
                "refunded_paise",
            )
        ),
        "refunds": list(
            Refund.objects.filter(order__in=list(mine.values_list("pk", flat=True)))
            .order_by("pk")
            .values("order__number", "created_at", "amount_paise", "reason")
        ),
    }


def hindrance(user: Any) -> str:
    """An order that is paid and not delivered."""
    if Order.objects.for_user(user).waiting().exists():
        return _("An order of yours is being prepared. Wait for it or ask support to refund it.")
    return ""


def forget(user: Any) -> None:
    """The e-mail address of the customer's own account."""
    Order.objects.for_user(user).exclude(customer_email="").update(customer_email="")
