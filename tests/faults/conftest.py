"""Razorpay's sandbox for the tests of faults, as the wallet's own tests have it."""

from tests.wallet.conftest import (  # noqa: F401
    console_for,
    post_events,
    post_signed,
    razorpay,
    recharge,
    running_razorpay,
    send_hook,
)
