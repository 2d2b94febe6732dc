"""What orders know of a customer."""

from typing import Any

from django.utils.translation import gettext as _

from orders.models import Order


def export(user: Any) -> dict[str, Any]:
    """Return what was bought."""
    return {
        "orders": list(
            Order.objects.for_user(user)
            .order_by("pk")
            .values(
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
        )
    }


def hindrance(user: Any) -> str:
    """An order that is paid and not delivered."""
    if Order.objects.for_user(user).waiting().exists():
        return _("An order of yours is being prepared. Wait for it or ask support to refund it.")
    return ""


def forget(user: Any) -> None:
    """The e-mail address of the customer's own account."""
    Order.objects.for_user(user).exclude(customer_email="").update(customer_email="")
