"""What lm-eval expects of the process it runs in: seeds, and silence where nobody watches."""

import logging
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import datasets
import numpy as np
import torch
import transformers
from lm_eval.defaults import DEFAULT_OTHER_SEED, DEFAULT_RANDOM_SEED


@contextmanager
def harness_seeds() -> Iterator[None]:
    """lm-eval's seeds, for tasks that shuffle and models that sample; the caller's state comes back."""
    state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(DEFAULT_RANDOM_SEED)
        np.random.seed(DEFAULT_OTHER_SEED)
        torch.manual_seed(DEFAULT_OTHER_SEED)
        try:
            yield
        finally:
            random.setstate(state)
            np.random.set_state(numpy_state)


def quieten() -> None:
    logging.getLogger("lm_eval").setLevel(logging.WARNING)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
        transformers.logging.disable_progress_bar()
