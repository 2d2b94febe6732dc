"""What the console calls documents and their fields, where a model's own name is not a person's.

Given to the models when all of them are there, and not written on them: a word for a heading is no
change of the database, so that none becomes a migration.
"""

from django.apps import apps
from django.utils.translation import gettext_lazy as _

# One of them, and all of them: the latter as the sidebar says it.
DOCUMENTS = {
    "accounts.User": (_("customer"), _("customers")),
    "invoices.Series": (_("invoice series"), _("invoice series")),
    "notifications.Broadcast": (_("notice to many"), _("notices to many")),
    "notifications.Notification": (_("notice"), _("notices")),
    "ottsonly.AuditEvent": (_("event"), _("trace")),
    "ottsonly.PeriodicJob": (_("job"), _("jobs")),
    "subscriptions.Credential": (_("account"), _("accounts pool")),
    "subscriptions.CredentialImport": (_("import"), _("imports")),
    "subscriptions.Extension": (_("gift of days"), _("given days")),
    "subscriptions.Reveal": (_("look at a login"), _("reveals")),
    "wallet.OpenItem": (_("open item"), _("open items")),
    "wallet.Recharge": (_("top-up"), _("top-ups")),
    "wallet.SourceRefund": (_("refund to its source"), _("given back at source")),
    "wallet.WalletTransaction": (_("ledger entry"), _("ledger")),
    "wallet.WebhookEvent": (_("web hook"), _("web hooks")),
}

FIELDS = {
    "actor": _("done by"),
    "answered_at": _("answered"),
    "applied_at": _("applied"),
    "auto_renew": _("renews by itself"),
    "buyer_name": _("buyer"),
    "buyer_phone": _("phone of the buyer"),
    "category": _("what is wrong"),
    "checks": _("times asked"),
    "claimed_until": _("a worker has it until"),
    "closed_at": _("closed"),
    "completed_at": _("credited"),
    "created_at": _("when"),
    "credential": _("account"),
    "customer_email": _("account to invite"),
    "delivered_at": _("delivered"),
    "delta": _("units"),
    "doubled_in_file": _("twice in the file"),
    "doubled_in_pool": _("stored already"),
    "duration_days": _("days"),
    "ends_at": _("ends"),
    "event_id": _("id of the event"),
    "failure_reason": _("why it failed"),
    "finished_at": _("finished"),
    "holds_seat": _("has a seat"),
    "hue": _("colour"),
    "imported_by": _("came with"),
    "invitation_undone_at": _("invitation taken back"),
    "invited_at": _("invited"),
    "ip": _("address"),
    "is_active": _("on the shelf"),
    "issued_at": _("issued"),
    "low_stock_threshold": _("counts as low from"),
    "next_attempt_at": _("next try"),
    "next_check_at": _("asked again"),
    "payment_id": _("payment"),
    "period_end": _("paid up to"),
    "period_start": _("paid from"),
    "pin": _("PIN"),
    "plan_name": _("plan"),
    "platform_name": _("platform"),
    "razorpay_order_id": _("order at Razorpay"),
    "razorpay_refund_id": _("refund at Razorpay"),
    "read_at": _("read"),
    "received_at": _("when"),
    "recharge": _("top-up"),
    "reference_id": _("id of what moved it"),
    "reference_type": _("moved by"),
    "rotate_after_seat": _("new password after a seat"),
    "rotation_due": _("new password due"),
    "sac_code": _("SAC"),
    "seat_lost_at": _("without a seat since"),
    "seats_used": _("in use"),
    "seller_address": _("address of the seller"),
    "seller_gstin": _("GSTIN of the seller"),
    "seller_name": _("seller"),
    "sent_at": _("sent"),
    "sent_count": _("sent to"),
    "slug": _("name in the address"),
    "started_at": _("started"),
    "state_code": _("place of supply"),
    "updated_by": _("changed by"),
    "user": _("customer"),
    # Staff look at logins too.
    "subscriptions.Reveal.user": _("who"),
}


def name_documents_and_fields() -> None:
    """Give these words to every model that does not say better itself."""
    for model in apps.get_models():
        options = model._meta
        if options.label in DOCUMENTS:
            options.verbose_name, options.verbose_name_plural = DOCUMENTS[options.label]
        for field in options.local_concrete_fields:
            word = FIELDS.get(f"{options.label}.{field.name}", FIELDS.get(field.name))
            # What the model says itself is among what the field was made of.
            if word is not None and "verbose_name" not in field.deconstruct()[3]:
                field.verbose_name = word
