"""The head of a causal language model: which positions it sees, and how many of them at once.

A row of logits is as long as the vocabulary. Of a prompt with a short answer only the answer is predicted, so the head
of all other positions is the larger part of memory and, with small models, a fifth of the work.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from diagnose.rows.tokens import NO_LOSS
from evals.model_ref import CausalModel

ForwardHook = Callable[[nn.Module, tuple[Tensor], Tensor], None]
HeadHook = Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]

_LOGIT_BYTES = 2**28
"""Most memory of the logits of one batch in float32; softmax and gradient take three times that again."""


def fitting_tokens(model: CausalModel, batch_tokens: int) -> int:
    """Most tokens of a batch: `batch_tokens`, or as many as have logits of a quarter of a gibibyte."""
    vocabulary = int(model.get_output_embeddings().weight.shape[0])
    return max(1, min(batch_tokens, _LOGIT_BYTES // (4 * vocabulary)))


def answer_logits(model: CausalModel, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Run the model forward without a gradient and its head on the predicted positions alone.

    Args:
        batch: `input_ids`, `attention_mask` and `labels`, [batch, time].

    Returns:
        Logits, [num_predicted, vocabulary], in float32; the tokens that are predicted, [num_predicted]; and whether
        each position but the last predicts a token with loss, [batch, time - 1].
    """
    targets = batch["labels"][:, 1:].to(model.device)
    has_loss = targets != NO_LOSS
    places = has_loss.flatten().nonzero()[:, 0]

    def predicting(_head: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        return (args[0][:, :-1].flatten(0, 1)[places],)

    with hooked(model, [], predicting), torch.no_grad():
        logits = model(**_inputs(model, batch)).logits
    return logits.float(), targets.flatten()[places], has_loss


def last_states(model: CausalModel, batch: dict[str, Tensor]) -> Tensor:
    """Run the model forward without a gradient; what its head would see, [batch, time, hidden_size], in float32."""
    seen: list[Tensor] = []

    def keeping(_head: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        seen.append(args[0])
        return (args[0][:, :1],)

    with hooked(model, [], keeping), torch.no_grad():
        model(**_inputs(model, batch))
    return seen[0].float()


@contextmanager
def hooked(model: CausalModel, hooks: Sequence[tuple[nn.Module, ForwardHook]], head: HeadHook) -> Iterator[None]:
    """Watch layers in the passes inside the block, and choose what the head sees."""
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    handles.append(model.get_output_embeddings().register_forward_pre_hook(head))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _inputs(model: CausalModel, batch: dict[str, Tensor]) -> dict[str, object]:
    mask = batch["attention_mask"]
    inputs: dict[str, object] = {"input_ids": batch["input_ids"].to(model.device), "use_cache": False}
    # Without padding no mask: attention then takes its faster causal path.
    return inputs if bool(mask.all()) else inputs | {"attention_mask": mask.to(model.device)}
