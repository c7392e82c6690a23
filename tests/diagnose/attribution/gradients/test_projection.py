"""Projected gradients against autograd, one example at a time."""

from contextlib import AbstractContextManager

import pytest
import torch
import torch.nn.functional as F
from builders.models import llama, rows_of_many_lengths
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from diagnose.attribution.gradients.caught import BatchGradients, ProjectedGradients
from diagnose.attribution.gradients.caught import catch_gradients as catch
from diagnose.attribution.gradients.projection import LayerProjection, random_projections
from diagnose.rows.tokens import NO_LOSS, collate, token_rows

VOCAB = 40


def with_shared_keys() -> PreTrainedModel:
    """Two query heads for one of keys and values."""
    return llama(VOCAB, 24, intermediate_size=40, num_key_value_heads=1).double()


def gpt2(*, is_tied: bool = False) -> PreTrainedModel:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=VOCAB, n_embd=24, n_layer=2, n_head=2, n_positions=32, tie_word_embeddings=is_tied)
    return GPT2LMHeadModel(config).double()


def catch_gradients(
    model: PreTrainedModel, projection_dim: int, batch: dict[str, torch.Tensor], seed: int, temperature: float = 1.0
) -> AbstractContextManager[ProjectedGradients]:
    return catch(model, random_projections(model, projection_dim, batch, seed), temperature)


def weight_gradient(projection: LayerProjection) -> torch.Tensor:
    """[out, in] of a layer after autograd's backward."""
    module = projection.layer.module
    gradient = module.weight.grad
    return gradient.T if isinstance(module, Conv1D) else gradient


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("make_model", [with_shared_keys, gpt2])
def test_projected_gradients_equal_those_of_autograd_example_by_example(  # type: ignore[no-untyped-def]
    make_model, temperature: float
) -> None:
    model, rows = make_model(), rows_of_many_lengths(6)
    batch = collate(rows, range(6), pad_id=0)
    with catch_gradients(model, 8, batch, 1, temperature) as gradients:
        caught: BatchGradients = gradients.of_batch(batch)
        projections = gradients.projections
    model.requires_grad_(True)
    assert len(projections) == (15 if make_model is with_shared_keys else 9)  # the head among them
    for i in range(len(rows)):
        model.zero_grad()
        one = collate(rows, [i], pad_id=0)
        logits, labels = model(input_ids=one["input_ids"]).logits[0, :-1], one["labels"][0, 1:]
        (temperature * F.cross_entropy(logits / temperature, labels, reduction="sum")).backward()
        loss = F.cross_entropy(logits, labels, reduction="sum")
        twin = torch.cat([(p.output_side.T @ weight_gradient(p) @ p.input_side).flatten() for p in projections])
        torch.testing.assert_close(caught.grads[i], twin, rtol=1e-9, atol=1e-9)
        assert caught.losses[i].item() == pytest.approx(loss.item(), rel=1e-5)


def test_of_tied_weights_the_head_counts_as_if_it_had_its_own() -> None:
    tied, rows = gpt2(is_tied=True), rows_of_many_lengths(5)
    own = gpt2()
    state = {name: values.clone() for name, values in tied.state_dict().items()}
    own.load_state_dict(state)
    assert tied.lm_head.weight is tied.transformer.wte.weight
    assert own.lm_head.weight is not own.transformer.wte.weight
    batch = collate(rows, range(5), pad_id=0)
    caught = []
    for model in (tied, own):
        with catch_gradients(model, 8, batch, seed=1) as gradients:
            caught.append(gradients.of_batch(batch).grads)
    torch.testing.assert_close(caught[0], caught[1], rtol=1e-9, atol=1e-12)


def test_a_layer_no_wider_than_the_projection_keeps_its_gradient_whole() -> None:
    model, rows = with_shared_keys(), rows_of_many_lengths(3)
    batch = collate(rows, range(3), pad_id=0)
    with catch_gradients(model, 24, batch, seed=0) as gradients:
        first = gradients.projections[0]
        assert torch.equal(first.input_side, torch.eye(24, dtype=torch.float64))
        assert torch.equal(first.output_side, torch.eye(24, dtype=torch.float64))


def test_random_sides_keep_inner_products_on_average() -> None:
    model = with_shared_keys()
    rows = rows_of_many_lengths(3)
    batch = collate(rows, range(3), pad_id=0)
    batch["labels"][:] = NO_LOSS  # no gradient, so the sides stay as they were drawn
    total = torch.zeros(40, 40, dtype=torch.float64)
    for seed in range(200):
        with catch_gradients(model, 8, batch, seed) as gradients:
            side = gradients.projections[-2].input_side  # the last one before the head
        model.requires_grad_(True)
        total += side @ side.T / 200
    # The standard error of an entry is at most sqrt(40 / 8 / 200) = .16 on the diagonal, less off it.
    assert float((total.diagonal() - 1).abs().max()) < 4 * 0.16
    assert float((total - torch.eye(40)).mean().abs()) < 0.02


def test_of_a_model_with_adapters_only_the_adapters_are_hooked() -> None:
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    model = get_peft_model(with_shared_keys(), config).double()
    rows = rows_of_many_lengths(4)
    batch = collate(rows, range(4), pad_id=0)
    with catch_gradients(model, 4, batch, seed=0) as gradients:
        names = [projection.layer.name for projection in gradients.projections]
        grads = gradients.of_batch(batch).grads
    assert len(names) == 8
    assert all("lora_" in name for name in names)
    assert (grads.norm(dim=1) > 0).all()


def test_hooks_are_gone_afterwards() -> None:
    model, rows = with_shared_keys(), rows_of_many_lengths(2)
    batch = collate(rows, range(2), pad_id=0)
    before = model(input_ids=batch["input_ids"]).logits
    with catch_gradients(model, 4, batch, seed=0) as gradients:
        gradients.of_batch(batch)
    after = model(input_ids=batch["input_ids"]).logits
    assert torch.equal(before, after)
    assert not after.requires_grad


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_second_moment_of_random_labels_is_the_curvature_of_the_loss(temperature: float) -> None:
    model, rows = with_shared_keys(), token_rows([[3, 7]], [[NO_LOSS, 7]])
    batch = collate(rows, [0], pad_id=0)
    with catch_gradients(model, 4, batch, 0, temperature) as gradients:
        head = gradients.projections[-1].columns
        exact, total = torch.zeros(16, 16, dtype=torch.float64), 0.0
        for label in range(VOCAB):
            caught = gradients.of_batch(with_label(batch, label))
            softened, grad = float(torch.exp(-caught.losses[0] / temperature)), caught.grads[0, head]
            exact += softened * torch.outer(grad, grad)
            total += softened
        many = {name: values.repeat(500, 1) for name, values in batch.items()}
        drawn = [gradients.of_batch(many, list(range(k * 500, (k + 1) * 500))).sampled for k in range(40)]
    grads = torch.cat([part[:, head] for part in drawn if part is not None])
    exact /= total * temperature  # the second derivative of temperature times a softened loss
    if temperature == 1:
        assert total == pytest.approx(1, abs=1e-4)
    moment = grads.T @ grads / len(grads)
    # The standard error of a second moment over 20,000 draws is 1 % of the diagonal.
    scale = exact.diagonal().sqrt()
    assert float(((moment - exact) / torch.outer(scale, scale)).abs().max()) < 0.05


def with_label(batch: dict[str, torch.Tensor], label: int) -> dict[str, torch.Tensor]:
    labels = batch["labels"].clone()
    labels[0, 1] = label
    return batch | {"labels": labels}
