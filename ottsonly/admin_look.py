"""How the console looks: names, colours and the sidebar, read by django-unfold from the settings.

The colours are those of static/css/tokens.css; what a palette cannot say is in
static/css/console.css.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def may(permission: str) -> Callable[[HttpRequest], bool]:
    """Return a test for sidebar entries: whether the person holds `permission`."""

    def test(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return test


def entry(title: Any, icon: str, view: str, permission: str) -> dict[str, Any]:
    """Return one sidebar entry: `view` is a name in the admin's or the console's namespace."""
    name = view if ":" in view else f"admin:{view}_changelist"
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(name),
        "permission": may(permission),
    }


def static_file(path: str) -> Callable[[HttpRequest], str]:
    """Return the address of a static file when a page is made, not when the settings are read."""
    return lambda request: static(path)


NAVIGATION: list[dict[str, Any]] = [
    {
        "items": [
            entry(_("Today"), "today", "admin:index", "orders.view_order"),
            entry(_("Orders"), "receipt_long", "orders_order", "orders.view_order"),
            entry(_("Customers"), "group", "accounts_user", "accounts.view_user"),
            entry(
                _("Subscriptions"),
                "confirmation_number",
                "subscriptions_subscription",
                "subscriptions.view_subscription",
            ),
            entry(
                _("Problem reports"),
                "report",
                "subscriptions_problemreport",
                "subscriptions.view_problemreport",
            ),
        ],
    },
    {
        "title": _("The shelf"),
        "separator": True,
        "items": [
            entry(_("Plans & stock"), "inventory_2", "catalog_plan", "catalog.view_plan"),
            entry(_("Platforms"), "live_tv", "catalog_platform", "catalog.view_platform"),
            entry(
                _("Stock movements"),
                "swap_vert",
                "catalog_stockmovement",
                "catalog.view_stockmovement",
            ),
            entry(
                _("Accounts pool"),
                "key",
                "subscriptions_credential",
                "subscriptions.view_credential",
            ),
            entry(
                _("Imports"),
                "upload_file",
                "subscriptions_credentialimport",
                "subscriptions.view_credentialimport",
            ),
        ],
    },
    {
        "title": _("Payments"),
        "separator": True,
        "items": [
            entry(_("Top-ups"), "add_card", "wallet_recharge", "wallet.view_recharge"),
            entry(_("Invoices"), "receipt", "invoices_invoice", "invoices.view_invoice"),
            entry(_("Credit notes"), "undo", "invoices_creditnote", "invoices.view_creditnote"),
            entry(
                _("Ledger"),
                "account_balance_wallet",
                "wallet_wallettransaction",
                "wallet.view_wallettransaction",
            ),
            entry(_("Refunds"), "undo", "orders_refund", "orders.view_refund"),
            entry(
                _("Given back at source"),
                "credit_card_off",
                "wallet_sourcerefund",
                "wallet.view_sourcerefund",
            ),
            entry(_("Open items"), "help_center", "wallet_openitem", "wallet.view_openitem"),
            entry(_("Web hooks"), "webhook", "wallet_webhookevent", "wallet.view_webhookevent"),
            entry(_("Wallets"), "wallet", "wallet_wallet", "wallet.view_wallet"),
            entry(_("Invoice series"), "tag", "invoices_series", "invoices.view_series"),
        ],
    },
    {
        "title": _("Telling people"),
        "separator": True,
        "items": [
            entry(
                _("Notices"),
                "notifications",
                "notifications_notification",
                "notifications.view_notification",
            ),
            entry(
                _("Notices to many"),
                "campaign",
                "notifications_broadcast",
                "notifications.view_broadcast",
            ),
            entry(
                _("Reminders"),
                "alarm",
                "subscriptions_reminder",
                "subscriptions.view_reminder",
            ),
            entry(_("Alerts"), "send", "telegram_alerts_alert", "telegram_alerts.view_alert"),
            entry(_("Help pages"), "help", "help_pages_helppage", "help_pages.view_helppage"),
        ],
    },
    {
        "title": _("Who did what"),
        "separator": True,
        "items": [
            entry(_("Trace"), "history", "ottsonly_auditevent", "ottsonly.view_auditevent"),
            entry(_("Export"), "download", "console:export", "console.export_documents"),
            entry(_("Jobs"), "schedule", "ottsonly_periodicjob", "ottsonly.view_periodicjob"),
            entry(
                _("Given days"),
                "event_upcoming",
                "subscriptions_extension",
                "subscriptions.view_extension",
            ),
            entry(_("Reveals"), "visibility", "subscriptions_reveal", "subscriptions.view_reveal"),
        ],
    },
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "OTTSONLY",
    "SITE_HEADER": "OTTSONLY",
    "SITE_SUBHEADER": _("Console"),
    "SITE_URL": "/",
    "SITE_SYMBOL": "confirmation_number",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": static_file("img/favicon.svg")}
    ],
    "DASHBOARD_CALLBACK": "console.dashboard.fill",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [static_file("css/tokens.css"), static_file("css/console.css")],
    "BORDER_RADIUS": "8px",
    "COLORS": {
        # Paper by day, a warm night by night.
        "base": {
            "50": "#f8f3e8",
            "100": "#f1e9d9",
            "200": "#e2d7c1",
            "300": "#cdbfa6",
            "400": "#a89a84",
            "500": "#766a5a",
            "600": "#5e5347",
            "700": "#473d33",
            "800": "#352b23",
            "900": "#211b16",
            "950": "#14100d",
        },
        # The marigold. 600 is also text on paper, so it is the ink of the accent; filled buttons
        # take the marigold itself in console.css.
        "primary": {
            "50": "#fff7e3",
            "100": "#ffebc0",
            "200": "#ffdc8f",
            "300": "#ffcb5c",
            "400": "#ffbd33",
            "500": "#ffb824",
            "600": "#855000",
            "700": "#714400",
            "800": "#5a3700",
            "900": "#452a00",
            "950": "#2b1a00",
        },
        "font": {
            "subtle-light": "#6b5f51",
            "subtle-dark": "#bcae98",
            "default-light": "#3d332a",
            "default-dark": "#e6dbc7",
            "important-light": "#211a14",
            "important-dark": "#f6ecd9",
        },
    },
    "SIDEBAR": {"show_search": True, "navigation": NAVIGATION},
}
