"""Every key that can be set stands in docs/keys.md with its meaning."""

from types import ModuleType

import pytest
from builders.checkout import ROOT, script


@pytest.fixture(scope="module")
def make_keys() -> ModuleType:
    return script("make_keys")


def test_the_page_of_keys_is_made_of_the_settings_as_they_are(make_keys: ModuleType) -> None:
    page = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    assert page == make_keys.page(), "run python scripts/make_keys.py"


def test_every_key_has_a_meaning(make_keys: ModuleType) -> None:
    sections = make_keys.sections()
    assert [key.name for section in sections for key in section.keys if not key.meaning] == []
    assert [section.title for section in sections if not section.meaning] == []
    assert len({key.name for section in sections for key in section.keys}) > 150
