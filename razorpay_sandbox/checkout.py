"""Checkout: the script for the shop's page, the page inside its frame, and paying from there."""

from __future__ import annotations

import json
import re
import secrets
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from razorpay_sandbox.entities import Outcome
from razorpay_sandbox.errors import ApiError
from razorpay_sandbox.sandbox import Sandbox

DEFAULT_COLOUR = "#2b4fd8"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LOCAL_ORIGIN = re.compile(r"https?://(127\.0\.0\.1|localhost)(:\d{1,5})?")
# What a button of the page does -> what becomes of the payment.
_OUTCOMES: dict[str, Outcome] = {"success": "success", "lost": "success", "failure": "failure"}


def rupees(paise: int) -> str:
    """Return an amount in rupees with Indian grouping: 12345678 paise are ₹1,23,456.78."""
    whole, part = divmod(paise, 100)
    digits = str(whole)
    head, tail = digits[:-3], digits[-3:]
    pairs: list[str] = []
    while head:
        pairs.insert(0, head[-2:])
        head = head[:-2]
    return f"₹{','.join([*pairs, tail])}.{part:02d}"


def text_colour(background: str) -> str:
    """Return black or white, whichever is easier to read on a #rrggbb background.

    Source: WCAG 2.2, "relative luminance".
    """

    def linear(value: int) -> float:
        share = value / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(background[at : at + 2], 16)) for at in (1, 3, 5))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#ffffff" if luminance < 0.179 else "#000000"


@cache
def _packaged(name: str) -> str:
    return files("razorpay_sandbox").joinpath(name).read_text(encoding="utf-8")


def checkout_script() -> str:
    """Return the script that defines window.Razorpay."""
    return _packaged("checkout.js")


def checkout_page(sandbox: Sandbox, query: dict[str, str]) -> tuple[int, str, dict[str, str]]:
    """Return status, HTML and headers of the page in the frame.

    `query`: order_id, key_id, and what the shop told Checkout: name, description, contact,
    email, color, escape, retry, and the origin of the shop's page. An order that cannot be paid
    gets a page that says so, and can only be closed.
    """
    problem, order = "", None
    try:
        _check_key(sandbox, query.get("key_id"))
        order = sandbox.store.order(query.get("order_id", ""))
        if order["status"] == "paid" and not sandbox.allow_paid_again:
            problem = "This order is already paid. You have not been charged again."
    except ApiError as error:
        problem = f"This payment cannot be started: {error.description}."
    colour = query.get("color", "")
    if not _COLOUR.fullmatch(colour):
        colour = DEFAULT_COLOUR
    origin = query.get("origin", "")
    name = query.get("name") or "The shop"
    amount = rupees(order["amount"]) if order else ""
    settings: dict[str, Any] = {
        "order_id": order["id"] if order else "",
        "key_id": query.get("key_id", ""),
        "contact": query.get("contact", ""),
        "email": query.get("email", ""),
        # Only a page on this machine is told how the payment went.
        "origin": origin if _LOCAL_ORIGIN.fullmatch(origin) else "",
        "escape": query.get("escape") != "false",
        "retry": query.get("retry") != "false",
    }
    nonce = secrets.token_urlsafe(16)
    html = Template(_packaged("checkout.html")).substitute(
        nonce=nonce,
        colour=colour,
        on_colour=text_colour(colour),
        initial=escape(name.strip()[:1].upper() or "?"),
        name=escape(name),
        description=escape(query.get("description", "")),
        contact=escape(query.get("contact", "")),
        amount=amount,
        order_id=escape(settings["order_id"]),
        problem=escape(problem),
        payable_hidden="hidden" if problem else "",
        problem_hidden="" if problem else "hidden",
        # "<" could end the script element from inside a string.
        settings=json.dumps(settings).replace("<", "\\u003c"),
    )
    headers = {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors http://127.0.0.1:* http://localhost:*"
        ),
        "Referrer-Policy": "no-referrer",
    }
    return (200 if order else 400), html, headers


def pay_from_checkout(sandbox: Sandbox, data: dict[str, Any]) -> dict[str, Any]:
    """Pay an order as the customer chose on the page; raises ApiError.

    `data`: order_id, key_id, outcome (success, failure or lost), method, contact, email. Returns
    the payment's id with the signature; a lost reply has neither, a failure has the error.
    """
    _check_key(sandbox, data.get("key_id"))
    chosen = str(data.get("outcome"))
    if chosen not in _OUTCOMES:
        raise ApiError("The outcome must be success, failure or lost.", field="outcome")
    change = sandbox.store.pay(
        str(data.get("order_id")),
        outcome=_OUTCOMES[chosen],
        method=str(data.get("method", "upi")),
        contact=str(data.get("contact", "")),
        email=str(data.get("email", "")),
        again=sandbox.allow_paid_again,
    )
    sandbox.webhooks.publish(change.events)
    payment = change.entity
    if chosen == "lost":
        return {"outcome": chosen}
    if chosen == "failure":
        return {
            "outcome": chosen,
            "error": {
                "code": payment["error_code"],
                "description": payment["error_description"],
                "source": payment["error_source"],
                "step": payment["error_step"],
                "reason": payment["error_reason"],
                "metadata": {"order_id": payment["order_id"], "payment_id": payment["id"]},
            },
        }
    return {
        "outcome": chosen,
        "razorpay_payment_id": payment["id"],
        "razorpay_order_id": payment["order_id"],
        "razorpay_signature": sandbox.signature(payment["order_id"], payment["id"]),
    }


def _check_key(sandbox: Sandbox, key_id: object) -> None:
    if key_id != sandbox.key_id:
        raise ApiError("The key id is unknown", status=401, reason="authentication_failed")
