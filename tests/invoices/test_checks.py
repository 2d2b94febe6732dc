"""A wrong seller stops the start, by a check that names the variable."""

import pytest

from invoices.checks import check_seller


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SELLER_GSTIN", "", []),
        ("SELLER_GSTIN", "29AAGCB7383J1Z4", []),
        ("SELLER_GSTIN", "29AAGCB7383J1Z5", ["invoices.E001"]),
        ("SELLER_GSTIN", "99AAGCB7383J1Z4", ["invoices.E001"]),
        ("SELLER_NAME", "", ["invoices.E002"]),
        ("SELLER_ADDRESS", "", ["invoices.E002"]),
        ("GST_RATE_PERCENT", "18%", ["invoices.E003"]),
        ("SAC_CODE", "99-84", ["invoices.E004"]),
        ("SAC_CODE", "99843300", ["invoices.E004"]),
    ],
)
def test_a_wrong_setting_is_named(registered, settings, name, value, expected):
    setattr(settings, name, value)
    assert [error.id for error in check_seller()] == expected
