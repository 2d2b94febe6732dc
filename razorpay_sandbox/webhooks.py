"""Web hooks: events are signed, sent in the background, and sent again until they are taken.

As with Razorpay they arrive at least once and in no promised order.
Source: https://razorpay.com/docs/webhooks/validate-test/
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import random
import secrets
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from razorpay_sandbox.entities import Event
from razorpay_sandbox.errors import ApiError
from razorpay_sandbox.fields import new_id

ANSWER_SECONDS = 5.0
RETRY_SECONDS = 0.5
ATTEMPTS = 6
SENDERS = 4


@dataclass
class Delivery:
    """An event on its way. `state`: withheld, pending, delivered or failed.

    It is pending while any of its copies is `outstanding`: not yet taken and not yet given up.
    """

    event_id: str
    event: str
    body: str
    signature: str
    state: str = "withheld"
    outstanding: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list)


class Webhooks:
    """Sends events to one URL, from threads of its own.

    `secret` signs the bodies; `url` may be empty (events are kept as withheld) and may change
    while it runs. Each event is tried up to ATTEMPTS times, `retry_seconds` after the first
    failure and twice as long after each further one.
    """

    def __init__(self, *, secret: str, url: str = "") -> None:
        self.url = url
        # While set, events are kept as withheld until they are released.
        self.hold = False
        self.retry_seconds = RETRY_SECONDS
        self._secret = secret.encode()
        self._account_id = new_id("acc")
        self._lock = threading.Lock()
        self._deliveries: dict[str, Delivery] = {}
        self._timers: set[threading.Timer] = set()
        self._senders = ThreadPoolExecutor(max_workers=SENDERS, thread_name_prefix="webhook")
        self._closed = False

    def publish(self, events: Iterable[Event], *, send: bool = True, copies: int = 1) -> None:
        """Send the events, each `copies` times, or only keep them (send=False) to be resent."""
        for event in events:
            body = json.dumps(self._envelope(event), separators=(",", ":"))
            delivery = Delivery(
                event_id=secrets.token_hex(10),
                event=event.name,
                body=body,
                signature=hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest(),
            )
            with self._lock:
                self._deliveries[delivery.event_id] = delivery
            if send and self.url and not self.hold:
                self._send(delivery, copies)

    def resend(self, event_id: str, times: int = 1) -> None:
        """Send an event again, whatever became of it; raises ApiError if there is none."""
        with self._lock:
            delivery = self._deliveries.get(event_id)
        if delivery is None:
            raise ApiError("There is no event with this id.", field="event_id")
        if not self.url:
            raise ApiError("There is no webhook_url to send it to.", field="webhook_url")
        self._send(delivery, times)

    def release(self, *, order: str = "kept", seed: int = 0, copies: int = 1) -> int:
        """Send all withheld events; return how many.

        `order`: kept, reversed or shuffled (by `seed`). `copies`: how often each is sent.
        """
        with self._lock:
            waiting = [item for item in self._deliveries.values() if item.state == "withheld"]
        if order == "reversed":
            waiting.reverse()
        elif order == "shuffled":
            random.Random(seed).shuffle(waiting)  # noqa: S311 (a seed is asked for, no secret)
        elif order != "kept":
            raise ApiError("order must be kept, reversed or shuffled.", field="order")
        if waiting and not self.url:
            raise ApiError("There is no webhook_url to send it to.", field="webhook_url")
        for delivery in waiting:
            self._send(delivery, copies)
        return len(waiting)

    def listing(self) -> dict[str, Any]:
        """Return all events, oldest first, and how many are still on their way."""
        with self._lock:
            items = [asdict(delivery) for delivery in self._deliveries.values()]
        return {
            "count": len(items),
            "pending": sum(item["state"] == "pending" for item in items),
            "items": items,
        }

    def clear(self) -> None:
        """Forget all events, also those that wait to be tried again."""
        with self._lock:
            self._deliveries.clear()
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()

    def close(self) -> None:
        """Stop sending."""
        self._closed = True
        self.clear()
        self._senders.shutdown(wait=False, cancel_futures=True)

    def _envelope(self, event: Event) -> dict[str, Any]:
        return {
            "entity": "event",
            "account_id": self._account_id,
            "event": event.name,
            "contains": list(event.entities),
            "payload": {name: {"entity": entity} for name, entity in event.entities.items()},
            "created_at": int(time.time()),
        }

    def _send(self, delivery: Delivery, times: int) -> None:
        with self._lock:
            delivery.state = "pending"
            delivery.outstanding += times
        for _ in range(times):
            self._submit(delivery, 1)

    def _submit(self, delivery: Delivery, attempt: int) -> None:
        try:
            self._senders.submit(self._deliver, delivery, attempt)
        except RuntimeError:
            # The pool refuses work once it is shut down; nobody waits for the event any more.
            if not self._closed:
                raise

    def _deliver(self, delivery: Delivery, attempt: int) -> None:
        url = self.url
        status, error = _post(url, delivery)
        taken = status is not None and 200 <= status < 300
        with self._lock:
            delivery.attempts.append(
                {"at": time.time(), "url": url, "status": status, "error": error}
            )
            if taken or attempt == ATTEMPTS:
                delivery.outstanding -= 1
                if delivery.outstanding == 0:
                    delivery.state = "delivered" if taken else "failed"
                return
            if delivery.event_id not in self._deliveries:
                return
            timer = threading.Timer(
                self.retry_seconds * 2 ** (attempt - 1),
                lambda: self._retry(timer, delivery, attempt + 1),
            )
            timer.daemon = True
            self._timers.add(timer)
            timer.start()

    def _retry(self, timer: threading.Timer, delivery: Delivery, attempt: int) -> None:
        with self._lock:
            self._timers.discard(timer)
            wanted = delivery.event_id in self._deliveries
        if wanted:
            self._submit(delivery, attempt)


def _post(url: str, delivery: Delivery) -> tuple[int | None, str | None]:
    """Send it once; return the status, or what went wrong."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None, "The webhook_url is not an http address."
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname, parts.port, timeout=ANSWER_SECONDS)
        try:
            connection.request(
                "POST",
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                body=delivery.body.encode(),
                headers={
                    "Content-Type": "application/json",
                    "X-Razorpay-Signature": delivery.signature,
                    "x-razorpay-event-id": delivery.event_id,
                    "User-Agent": "Razorpay-Webhook/v1",
                },
            )
            answer = connection.getresponse()
            answer.read()
            return answer.status, None
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return None, f"{type(error).__name__}: {error}"
