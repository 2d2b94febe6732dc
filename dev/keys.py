"""Secrets of this development machine: made once, kept between runs, worth nothing elsewhere."""

import base64
import os
import secrets
from pathlib import Path

GENERATED = (
    "SECRET_KEY",
    "HASH_KEY",
    "CREDENTIAL_KEYS",
    "RAZORPAY_KEY_ID",
    "RAZORPAY_KEY_SECRET",
    "RAZORPAY_WEBHOOK_SECRET",
)


def development_secrets(file: Path) -> dict[str, str]:
    """Return the secrets in `file`; those that are missing are made and written there first.

    They must outlive a run: sealed credentials in the kept database open only with their key.
    """
    found: dict[str, str] = {}
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            name, mark, value = line.partition("=")
            if mark and name in GENERATED:
                found[name] = value
    if all(found.get(name) for name in GENERATED):
        return found
    whole = {name: found.get(name) or _make(name) for name in GENERATED}
    draft = file.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as output:
        output.writelines(f"{name}={value}\n" for name, value in whole.items())
    os.replace(draft, file)
    return whole


def _make(name: str) -> str:
    if name == "CREDENTIAL_KEYS":
        # The form of a Fernet key: 32 random bytes in URL-safe base64.
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    if name == "RAZORPAY_KEY_ID":
        return f"rzp_test_{secrets.token_hex(7)}"
    return secrets.token_urlsafe(50)
