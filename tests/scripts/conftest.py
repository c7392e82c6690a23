"""Modules of `scripts`, imported as the scripts import each other."""

import importlib
from collections.abc import Callable
from types import ModuleType

import pytest
from builders.checkout import ROOT


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a script by its name."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module
