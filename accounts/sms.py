"""Sending codes by SMS; settings.SMS_BACKEND names the class by its dotted path."""

import logging
from typing import Protocol

import requests
from django.conf import settings
from django.utils.module_loading import import_string

from accounts.errors import SmsError
from accounts.phones import mask_phone

logger = logging.getLogger(__name__)

UNSENT = "The code could not be sent just now. Please try again in a minute."


class SmsBackend(Protocol):
    """What a gateway must do."""

    def send_code(self, *, phone: str, code: str) -> None:
        """Send `code` to `phone` (E.164), or raise SmsError."""

    def send_phone_changed(self, *, phone: str, new_phone: str) -> None:
        """Tell `phone` that its account moved to `new_phone` (masked), or raise SmsError."""

    def send_reminder(self, *, phone: str, text: str) -> None:
        """Send one line about a subscription to `phone` (E.164), or raise SmsError."""


class ConsoleSms:
    """Prints the code on the terminal of the developer; for development only."""

    def send_code(self, *, phone: str, code: str) -> None:
        print(f"[sms] to {phone}: {code} is your {settings.SHOP_NAME} code", flush=True)

    def send_phone_changed(self, *, phone: str, new_phone: str) -> None:
        print(
            f"[sms] to {phone}: your {settings.SHOP_NAME} account moved to {new_phone}", flush=True
        )

    def send_reminder(self, *, phone: str, text: str) -> None:
        print(f"[sms] to {phone}: {text}", flush=True)


class Msg91Sms:
    """MSG91's Flow API (https://control.msg91.com/apidoc/textsms/send-sms-flow.php).

    The flow's template must have the variable ##code##. The DLT template id, which Indian
    operators ask for, is sent along; MSG91 also keeps one with the template itself.
    """

    def send_code(self, *, phone: str, code: str) -> None:
        if not settings.MSG91_AUTH_KEY or not settings.MSG91_TEMPLATE_ID:
            logger.error("MSG91_AUTH_KEY and MSG91_TEMPLATE_ID must both be set to send codes")
            raise SmsError(UNSENT)
        self._send(phone, settings.MSG91_TEMPLATE_ID, settings.MSG91_DLT_TEMPLATE_ID, code=code)

    def send_phone_changed(self, *, phone: str, new_phone: str) -> None:
        """Send by a template with the variable ##number##; without one nothing is sent."""
        template = settings.MSG91_PHONE_CHANGED_TEMPLATE_ID
        if settings.MSG91_AUTH_KEY and template:
            self._send(phone, template, "", number=new_phone)

    def send_reminder(self, *, phone: str, text: str) -> None:
        """Send by the flow SMS_REMINDER_TEMPLATE_ID, whose template has the variable ##text##."""
        self._send(phone, settings.SMS_REMINDER_TEMPLATE_ID, "", text=text)

    def _send(self, phone: str, template: str, dlt_template: str, **variables: str) -> None:
        body = {
            "template_id": template,
            "short_url": "0",
            "recipients": [{"mobiles": phone.removeprefix("+"), **variables}],
        }
        if settings.MSG91_SENDER:
            body["sender"] = settings.MSG91_SENDER
        if dlt_template:
            body["DLT_TE_ID"] = dlt_template
        try:
            answer = requests.post(
                f"{settings.MSG91_BASE_URL.rstrip('/')}/api/v5/flow",
                json=body,
                headers={"authkey": settings.MSG91_AUTH_KEY, "accept": "application/json"},
                timeout=settings.SMS_TIMEOUT_SECONDS,
                allow_redirects=False,
            )
            accepted = answer.status_code == 200 and answer.json().get("type") == "success"
        except (requests.RequestException, ValueError, AttributeError) as error:
            # Neither the error's text nor the answer is logged: they may repeat what was sent.
            logger.warning("MSG91 failed for %s: %s", mask_phone(phone), type(error).__name__)
            raise SmsError(UNSENT) from None
        if not accepted:
            logger.warning("MSG91 refused %s: HTTP %s", mask_phone(phone), answer.status_code)
            raise SmsError(UNSENT)


def send_sms_code(*, phone: str, code: str) -> None:
    """Send `code` by the configured gateway.

    Raises:
        SmsError: the gateway did not take it.
    """
    backend: SmsBackend = import_string(settings.SMS_BACKEND)()
    backend.send_code(phone=phone, code=code)


def send_sms_phone_changed(*, phone: str, new_phone: str) -> None:
    """Tell the old phone by the configured gateway that the account moved.

    Raises:
        SmsError: the gateway did not take it.
    """
    backend: SmsBackend = import_string(settings.SMS_BACKEND)()
    backend.send_phone_changed(phone=phone, new_phone=new_phone)


def send_sms_reminder(*, phone: str, text: str) -> None:
    """Send one line about a subscription by the configured gateway.

    Raises:
        SmsError: the gateway did not take it.
    """
    backend: SmsBackend = import_string(settings.SMS_BACKEND)()
    backend.send_reminder(phone=phone, text=text)
