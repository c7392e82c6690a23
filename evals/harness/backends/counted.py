"""What all models that answer lm-eval's requests have here: a count of tokens, and answers that are kept."""

from collections.abc import Sequence
from typing import Any

from lm_eval.api.model import TemplateLM

from evals.harness.backends.kept import KeptAnswers


class CountedModel(TemplateLM):  # type: ignore[misc]
    """Stands before one of lm-eval's models among the bases of a class, and counts the tokens of likelihoods."""

    num_tokens = 0
    """Tokens of prompts and answers so far; those of generations are counted where they are asked for."""
    kept: KeptAnswers | None = None
    """Generations of this model from earlier measurements; None where `evals.cache` names no folder."""

    def _loglikelihood_tokens(self, requests: Sequence[Any], *args: Any, **how: Any) -> Any:
        self.num_tokens += sum(min(len(context) + len(answer), self.max_length) for _, context, answer in requests)
        return super()._loglikelihood_tokens(requests, *args, **how)
