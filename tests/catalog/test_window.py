"""The filter of the shop window: what is wrong in it is said, with scripts and without."""

import pytest

from tests.factories import PlanFactory

pytestmark = pytest.mark.django_db

BAD = {
    "min_price=much": "Enter an amount in rupees, such as 500 or 499.50.",
    "min_price=900&max_price=100": "This is below the lowest price you chose.",
}


@pytest.mark.parametrize("query", BAD)
def test_a_bad_price_is_said_where_it_is_seen(client, query):
    PlanFactory()
    whole = client.get(f"/plans/?{query}").content.decode()
    assert whole.count(BAD[query]) == 1
    assert '<details class="filter-more" open>' in whole
    assert "Clear the filters" in whole
    # The script changes the results alone, so that these say it.
    results = client.get(f"/plans/?{query}", headers={"hx-request": "true"}).content.decode()
    assert results.count(BAD[query]) == 1
    assert "<details" not in results


def test_without_a_filter_nothing_is_open(client):
    PlanFactory()
    page = client.get("/plans/").content.decode()
    assert '<details class="filter-more">' in page
    assert "Clear the filters" not in page
