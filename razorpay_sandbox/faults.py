"""Misbehaviour on demand, so that tests can see the shop meet it.

- timeout: nothing is done, no answer for `seconds`, then the connection is closed
- hang: the work is done, no answer for `seconds`, then the connection is closed
- lost_reply: the work is done, the connection is closed at once
- 500, 429, 409, 401: Razorpay's own error answers, nothing is done
- 502html: the HTML page of a proxy in between, nothing is done
- badjson: status 200 with half a JSON document, nothing is done
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

from razorpay_sandbox.errors import ApiError

KINDS = ("timeout", "500", "502html", "429", "409", "401", "badjson", "lost_reply", "hang")
# These let the work happen, and lose the answer.
AFTER_WORK = frozenset({"lost_reply", "hang"})
SILENT = frozenset({"timeout", "hang"})
DEFAULT_SECONDS = 60.0

ANSWERS: dict[str, tuple[int, str, bytes]] = {
    "500": (
        500,
        "application/json",
        b'{"error":{"code":"SERVER_ERROR","description":"We are facing some trouble completing '
        b'your request at the moment. Please try again shortly."}}',
    ),
    "429": (
        429,
        "application/json",
        b'{"error":{"code":"BAD_REQUEST_ERROR","description":"Too many requests"}}',
    ),
    "409": (
        409,
        "application/json",
        b'{"error":{"code":"BAD_REQUEST_ERROR","description":"Request failed because another '
        b'request with the same idempotency key is in progress"}}',
    ),
    "401": (
        401,
        "application/json",
        b'{"error":{"code":"BAD_REQUEST_ERROR","description":"Authentication failed"}}',
    ),
    "502html": (
        502,
        "text/html",
        b"<html><head><title>502 Bad Gateway</title></head>"
        b"<body><h1>502 Bad Gateway</h1></body></html>",
    ),
    "badjson": (200, "application/json", b'{"id":"order_'),
}


@dataclass
class Fault:
    """One kind of misbehaviour for the next `count` calls whose path starts so."""

    kind: str
    path_prefix: str = "/v1/"
    count: int = 1
    seconds: float = DEFAULT_SECONDS


class Faults:
    """The faults that wait for their calls; the first that fits a call is used up by it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: list[Fault] = []

    def add(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """Add a fault, or forget all of them (kind "none"); return those that wait.

        `data`: kind, path_prefix, count, seconds. Raises ApiError on an unknown kind or a wrong
        number.
        """
        kind = str(data.get("kind"))
        if kind != "none" and kind not in KINDS:
            raise ApiError(f"kind must be none or one of {', '.join(KINDS)}.", field="kind")
        try:
            fault = Fault(
                kind=kind,
                path_prefix=str(data.get("path_prefix", "/v1/")),
                count=int(data.get("count", 1)),
                seconds=float(data.get("seconds", DEFAULT_SECONDS)),
            )
        except (TypeError, ValueError) as error:
            raise ApiError("count and seconds must be numbers.", field="count") from error
        with self._lock:
            if kind == "none":
                self._waiting.clear()
            else:
                self._waiting.append(fault)
            return [asdict(waiting) for waiting in self._waiting]

    def take(self, path: str) -> Fault | None:
        """Return the fault for a call of this path, if one waits, and count it down."""
        with self._lock:
            for fault in self._waiting:
                if path.startswith(fault.path_prefix):
                    fault.count -= 1
                    if fault.count <= 0:
                        self._waiting.remove(fault)
                    return fault
            return None
