"""What each role may do in the console, as one explicit list.

Sessions, one-time codes, authenticators, backup codes and enrolment links are named nowhere here:
nobody sees them in the console.
"""

SHOP_DOCUMENTS = frozenset(
    {
        "accounts.user",
        "catalog.platform",
        "catalog.plan",
        "catalog.stockmovement",
        "help_pages.helppage",
        "notifications.broadcast",
        "notifications.notification",
        "orders.order",
        "orders.refund",
        "subscriptions.credential",
        "subscriptions.credentialimport",
        "subscriptions.extension",
        "subscriptions.reminder",
        "subscriptions.problemreport",
        "subscriptions.reveal",
        "subscriptions.subscription",
        "telegram_alerts.alert",
        "wallet.openitem",
        "wallet.recharge",
        "wallet.sourcerefund",
        "wallet.wallet",
        "wallet.wallettransaction",
        "wallet.webhookevent",
    }
)
# The trace and the workers' jobs hold no secrets, so support reads them too; nobody changes them.
# Issued papers are as little changed as the trace.
VIEWED_IN_CONSOLE = SHOP_DOCUMENTS | {
    "invoices.creditnote",
    "invoices.duedocument",
    "invoices.invoice",
    "invoices.series",
    "ottsonly.auditevent",
    "ottsonly.periodicjob",
}


def _permissions(labels: frozenset[str], actions: tuple[str, ...]) -> frozenset[str]:
    pairs = (label.split(".") for label in labels)
    return frozenset(f"{app}.{action}_{model}" for app, model in pairs for action in actions)


SUPPORT_PERMISSIONS = _permissions(VIEWED_IN_CONSOLE, ("view",))
# Taking documents out as CSV.
EXPORT = "console.export_documents"
ADMIN_PERMISSIONS = (
    _permissions(VIEWED_IN_CONSOLE, ("view",))
    | _permissions(SHOP_DOCUMENTS, ("add", "change", "delete"))
    | {EXPORT}
)
