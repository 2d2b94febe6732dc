"""Keeps a slow Razorpay from taking the shop's threads; each process has its own.

Two guards, both in memory: so many calls at once and no more, and a circuit that opens after
repeated failures. Nothing is shared between processes: each learns in its own few failures that
Razorpay is gone, which needs no further store that could itself be slow.
"""

import threading
import time
from collections.abc import Callable

from django.conf import settings


class Circuit:
    """Says whether a call may be made, and learns from how it went.

    Closed: calls pass. After RAZORPAY_CIRCUIT_FAILURES failures in a row it opens: for
    RAZORPAY_CIRCUIT_SECONDS nothing passes. Then one call may try; it closes the circuit or opens
    it again.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything, as at the start of a process."""
        with self._lock:
            self._failures = 0
            self._open_until = 0.0
            self._running = 0

    @property
    def is_open(self) -> bool:
        """Whether calls are refused now because of earlier failures."""
        with self._lock:
            return self._clock() < self._open_until

    def enter(self) -> bool:
        """Take a place for one call; False when none may be made now. Then call `leave`."""
        with self._lock:
            if self._clock() < self._open_until or self._running >= settings.RAZORPAY_MAX_CALLS:
                return False
            if self._failures >= settings.RAZORPAY_CIRCUIT_FAILURES:
                # Half open: until this trial is over the others are refused.
                self._open_until = self._clock() + settings.RAZORPAY_CIRCUIT_SECONDS
            self._running += 1
            return True

    def leave(self, *, failed: bool) -> None:
        """Give the place back and say how the call went."""
        with self._lock:
            self._running = max(0, self._running - 1)
            if not failed:
                self._failures, self._open_until = 0, 0.0
                return
            self._failures += 1
            if self._failures >= settings.RAZORPAY_CIRCUIT_FAILURES:
                self._open_until = self._clock() + settings.RAZORPAY_CIRCUIT_SECONDS


CIRCUIT = Circuit()
