"""The tax split, exact to the paisa for every price, rate and row of refunds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoices.gstin import check_digit, is_valid_gstin
from invoices.tax import TaxSplit, parse_rate, percent_text, split_credit, split_price

PRICES = st.integers(1, 10_00_00_000)
RATES = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("price", "rate", "within", "expected"),
    [
        (118_00, 1800, True, TaxSplit(100_00, 9_00, 9_00, 0)),
        (118_00, 1800, False, TaxSplit(100_00, 0, 0, 18_00)),
        # 199 * 18/118 = 30.3559...; each half of it 15.1779...
        (199_00, 1800, True, TaxSplit(168_64, 15_18, 15_18, 0)),
        (199_00, 1800, False, TaxSplit(168_64, 0, 0, 30_36)),
        # 1 * 9/118 = 0.076; a paisa has no tax.
        (1, 1800, True, TaxSplit(1, 0, 0, 0)),
        (100_00, 0, False, TaxSplit(100_00, 0, 0, 0)),
        # 2 * 100/400 is exactly half a paisa, which goes up.
        (2, 10_000, True, TaxSplit(0, 1, 1, 0)),
    ],
)
def test_the_tax_is_taken_out_of_the_price(price, rate, within, expected):
    assert split_price(price, rate_bp=rate, within_state=within) == expected


@given(PRICES, RATES, st.booleans())
def test_the_parts_of_any_price_sum_to_it_and_halves_are_equal(price, rate, within):
    split = split_price(price, rate_bp=rate, within_state=within)
    assert split.total_paise == price
    assert min(split.taxable_paise, split.tax_paise) >= 0
    assert split.cgst_paise == split.sgst_paise
    assert 0 in (split.igst_paise, split.cgst_paise)
    # No further than half a paisa for each tax that was rounded.
    error = split.tax_paise * (10_000 + rate) - price * rate
    assert 2 * abs(error) <= (2 if within else 1) * (10_000 + rate)


@given(PRICES, RATES, st.booleans(), st.lists(st.integers(1, 10_00_00_000), max_size=8))
def test_refunds_in_any_parts_sum_to_the_invoice(price, rate, within, wished):
    invoiced = split_price(price, rate_bp=rate, within_state=within)
    before, notes = 0, []
    for wish in [*wished, price]:
        amount = min(wish, price - before)
        if amount:
            note = split_credit(invoiced, before_paise=before, amount_paise=amount)
            assert note.total_paise == amount
            parts = (note.taxable_paise, note.cgst_paise, note.sgst_paise, note.igst_paise)
            assert min(parts) >= 0
            assert abs(note.cgst_paise - note.sgst_paise) <= 1
            notes.append(parts)
            before += amount
    assert TaxSplit(*map(sum, zip(*notes, strict=True))) == invoiced


def test_rates_are_read_and_shown():
    assert [parse_rate(text) for text in ("18", "0.25", "2.5", "0")] == [1800, 25, 250, 0]
    for text in ("", "18%", "-1", "101", "1.234", "NaN", "Infinity"):
        with pytest.raises(ValueError, match="^"):
            parse_rate(text)
    shown = [percent_text(rate) for rate in (1800, 900, 250, 12.5, 0)]
    assert shown == ["18%", "9%", "2.5%", "0.125%", "0%"]


@pytest.mark.parametrize("gstin", ["27AAPFU0939F1ZV", "29AAGCB7383J1Z4", "34AABCB5576G1ZH"])
def test_a_gstin_has_its_check_digit(gstin):
    right = gstin[:14] + check_digit(gstin[:14])
    assert is_valid_gstin(right)
    for wrong in (
        "",
        right[:14],
        right + "0",
        right.lower(),
        "99" + right[2:],
        right[:5] + "९" * 10,
    ):
        assert not is_valid_gstin(wrong)
    # Any one wrong character is found.
    for place in range(15):
        other = "2" if right[place] != "2" else "3"
        if right[place].isalpha():
            other = "B" if right[place] != "B" else "C"
        assert not is_valid_gstin(right[:place] + other + right[place + 1 :])


def test_the_check_digits_of_known_numbers():
    assert is_valid_gstin("27AAPFU0939F1ZV")
    assert is_valid_gstin("29AAGCB7383J1Z4")
