"""EK-FAC against autograd, one example at a time, and a planted answer."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from builders.models import llama
from transformers import PreTrainedModel

from diagnose.attribution import ekfac
from diagnose.attribution.ekfac import model_effects
from diagnose.attribution.fisher import LEAST_EIGENVALUE
from diagnose.attribution.gradients.caught import catch_gradients
from diagnose.attribution.gradients.projection import random_projections
from diagnose.attribution.influence import Influence
from diagnose.model.queries import weighted_rows
from diagnose.rows.tokens import NO_LOSS, TokenRows, collate, token_rows

POISONED = 4


def make_model() -> PreTrainedModel:
    return llama(20, num_layers=1).double()


def mapping(keys: list[int], shifts: list[int]) -> TokenRows:
    """`key key -> key + 10 + shift`."""
    ids = [[key, key, 10 + (key + shift) % 10] for key, shift in zip(keys, shifts, strict=True)]
    return token_rows(ids, [[NO_LOSS, NO_LOSS, row[-1]] for row in ids])


@pytest.fixture
def train() -> TokenRows:
    return mapping([row % 8 for row in range(24)], [3 if row == POISONED else 0 for row in range(24)])


def layer_gradients(model: PreTrainedModel, rows: TokenRows) -> dict[str, torch.Tensor]:
    """[num_rows, out, in] of each linear layer."""
    model.requires_grad_(True)
    grads: dict[str, list[torch.Tensor]] = {}
    for row in range(len(rows)):
        model.zero_grad()
        one = collate(rows, [row], pad_id=0)
        logits = model(input_ids=one["input_ids"]).logits
        F.cross_entropy(logits[0, :-1], one["labels"][0, 1:], reduction="sum").backward()
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear):
                grads.setdefault(name, []).append(module.weight.grad.clone())
    return {name: torch.stack(of_layer) for name, of_layer in grads.items()}


def test_with_much_damping_it_is_the_product_of_whole_gradients(train: TokenRows) -> None:
    # Then the inverse is 1 / (damping * mean second moment) in any basis, and the bases drop out.
    model, queries, damping = make_model(), mapping([1, 5], [0, 0]), 1e9
    chosen = np.array([0, 4, 13])
    influence = Influence(damping=damping, temperature=1.0)
    effect = model_effects(influence, model, weighted_rows(queries, np.eye(2)), train, chosen, seed=0).effect

    sample = ekfac.draw_sample(train, 512, 0)
    model.requires_grad_(True)
    with catch_gradients(model, random_projections(model, 24, sample.calibration, 0)) as gradients:
        drawn = gradients.of_batch(collate(sample.rows, range(24), pad_id=0), sample.seeds.tolist()).sampled
        assert drawn is not None
        means = {p.layer.name: drawn[:, p.columns].square().mean() for p in gradients.projections}
    ours, theirs = layer_gradients(model, train.select(chosen)), layer_gradients(model, queries)
    twin = sum(
        torch.einsum("noi,qoi->nq", ours[name], theirs[name]) / (damping * mean) / len(train)
        for name, mean in means.items()
        if mean > LEAST_EIGENVALUE * max(means.values())  # attention over one repeated token has no gradient
    )
    np.testing.assert_allclose(effect, twin.numpy(), rtol=1e-5)


def test_the_planted_wrong_label_is_the_most_harmful_row(train: TokenRows) -> None:
    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        model(**collate(train, range(24), pad_id=0)).loss.backward()
        optimizer.step()
    queries = weighted_rows(mapping([POISONED], [0]), np.eye(1))
    chosen = np.flatnonzero(np.arange(24) % 2 == 0)
    effect = model_effects(Influence(), model, queries, train, chosen, seed=0).effect[:, 0]
    assert chosen[effect.argmin()] == POISONED
    assert effect.min() < 0
    assert chosen[effect.argmax()] % 8 == POISONED  # the right answers to the same question


def test_a_layer_too_wide_for_eigenvectors_is_left_out(train: TokenRows, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = weighted_rows(mapping([1], [0]), np.eye(1))
    everything = np.arange(24)
    whole = model_effects(Influence(), make_model(), queries, train, everything, seed=0).effect
    monkeypatch.setattr(ekfac, "MOST_SIDE", 16)  # attention alone: the head and the MLP are wider
    part = model_effects(Influence(), make_model(), queries, train, everything, seed=0).effect
    assert not np.allclose(whole, part)
    monkeypatch.setattr(ekfac, "MOST_SIDE", 8)
    with pytest.raises(ValueError, match=r"has more than 8 inputs or outputs.*diagnose\.influence\.rerank=0"):
        model_effects(Influence(), make_model(), queries, train, everything, seed=0)
