"""Retraining's verdict on scores: the fixture's own score.py, imported from beside its data."""

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def judged(fixture: Path, effect: Array) -> dict[str, float]:
    spec = importlib.util.spec_from_file_location("score", fixture / "score.py")
    assert spec is not None, "the fixture has a score.py"
    assert spec.loader is not None, "it is a file"
    judge = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(judge)
    corpus, truth = dict(np.load(fixture / "corpus.npz")), dict(np.load(fixture / "truth.npz"))
    figures: dict[str, float] = judge.rounded(judge.judge_effect(effect.astype(np.float64), corpus, truth))
    return figures


def trivial(fixture: Path) -> dict[str, dict[str, float]]:
    """The two scores of score.py that ask no model."""
    corpus = np.load(fixture / "corpus.npz")
    same = (corpus["train_slice"][:, None] == corpus["query_slice"][None, :]).astype(np.float64)
    signs = np.where(corpus["train_bad"], -1.0, 1.0)[:, None]
    return {"same slice": judged(fixture, same), "same slice, signed": judged(fixture, same * signs)}
