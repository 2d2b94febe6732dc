"""Without a Chromium the tests say how to get one, and in CI they may not be left out."""

import pytest

from tests.browser import chromium


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(chromium, "PLACES", ())
    return monkeypatch


def test_without_one_they_are_skipped_with_the_way_to_get_it(nowhere: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        chromium.find_chromium()


def test_in_ci_they_fail(nowhere: pytest.MonkeyPatch) -> None:
    nowhere.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        chromium.find_chromium()


def test_a_named_program_must_be_there(nowhere: pytest.MonkeyPatch) -> None:
    nowhere.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(pytest.fail.Exception, match="CHROMIUM=/nowhere/chromium"):
        chromium.find_chromium()
