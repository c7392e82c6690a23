"""Load the model that is measured, by `evals.backend`."""

from collections.abc import Callable, Mapping

from evals.harness.backends.counted import CountedModel
from evals.harness.backends.elsewhere import load_served, load_vllm
from evals.harness.backends.local import load_local
from evals.model_ref import ModelRef
from evals.suite import EvalSuite

_LOADERS: Mapping[str, Callable[[ModelRef, EvalSuite], CountedModel]] = {
    "hf": load_local,
    "vllm": load_vllm,
    "openai": load_served,
}


def load_measured(model: ModelRef, suite: EvalSuite) -> CountedModel:
    """Load a model to be measured.

    Raises:
        ValueError: as in `load_local`.
    """
    return _LOADERS[suite.backend](model, suite)
