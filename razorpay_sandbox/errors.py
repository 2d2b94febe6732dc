"""Refusals in the form that Razorpay gives them."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A refusal that the caller sees as Razorpay's error JSON.

    Arguments: the sentence for the caller, the HTTP status, Razorpay's error code, and the name
    of the request's field that is at fault, if one is.
    Source: https://razorpay.com/docs/api/errors/
    """

    def __init__(
        self,
        description: str,
        *,
        status: int = 400,
        code: str = "BAD_REQUEST_ERROR",
        field: str | None = None,
        reason: str = "input_validation_failed",
    ) -> None:
        super().__init__(description)
        self.description = description
        self.status = status
        self.code = code
        self.field = field
        self.reason = reason

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        return {
            "error": {
                "code": self.code,
                "description": self.description,
                "source": "business",
                "step": "payment_initiation",
                "reason": self.reason,
                "metadata": {},
                "field": self.field,
            }
        }
