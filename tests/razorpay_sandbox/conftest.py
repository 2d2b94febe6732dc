"""A running sandbox, and the official SDK that talks to it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import razorpay

PROJECT_ROOT = Path(__file__).resolve().parents[2]
if str(PROJECT_ROOT) not in sys.path:
    sys.path.insert(0, str(PROJECT_ROOT))

from razorpay_sandbox.process import SandboxServer  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: drives a real browser")


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def sandbox(running_sandbox: SandboxServer) -> SandboxServer:
    running_sandbox.reset()
    running_sandbox.configure(webhook_url="", webhook_retry_seconds=0.02)
    return running_sandbox


@pytest.fixture
def client(sandbox: SandboxServer) -> razorpay.Client:
    return razorpay.Client(auth=(sandbox.key_id, sandbox.key_secret), base_url=sandbox.base_url)


@pytest.fixture
def new_order(client: razorpay.Client) -> Callable[..., dict[str, Any]]:
    def create(amount: int = 50_000, **more: Any) -> dict[str, Any]:
        order: dict[str, Any] = client.order.create({"amount": amount, "currency": "INR", **more})
        return order

    return create
