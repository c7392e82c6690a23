"""Find the words of a failing item's prompt that the model relied on, for or against which answer.

Integrated gradients (`diagnose.model.integrated_gradients`) of each token, summed over the tokens of a word. Costs
`num_steps` passes forward and backward for each item, twice that where a rival won.
"""

import logging
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from diagnose.model.asked_model import AskedModel
from diagnose.model.integrated_gradients import integrated_gradients, mean_embedding
from diagnose.model.queries import failed_items
from evals.items import ItemKey, ItemResult
from evals.model_ref import CausalModel

log = logging.getLogger(__name__)

WordShares = tuple[tuple[str, float], ...]
"""Words of a prompt, in order, each with its signed share."""


@dataclass(frozen=True, slots=True)
class LeanedOn:
    words: Mapping[ItemKey, WordShares]
    """Shares of the words of each item's prompt."""
    num_tokens: int
    """Tokens that went through the model."""


@dataclass(frozen=True, slots=True)
class WordAttribution:
    words: tuple[str, ...]
    """Words of the prompt, split at whitespace."""
    nats: NDArray[np.float64]
    """Attribution, [num_words]; the sum is the change against a neutral prompt. Zero for words that are cut off."""
    num_tokens: int


def leaned_on(
    results: Iterable[ItemResult],
    model: AskedModel,
    num_steps: int,
) -> LeanedOn:
    """Attribute each item to the words of its prompt, as signed shares whose absolute values sum to 1.

    Positive speaks for the gold answer; where a rival won (`queries.has_rival`), for that one against the gold answer.
    Empty where no gradient, or no finite one, reaches a word. With `num_steps` 0 nothing is computed.
    """
    distinct = {r.item.key: r for r in results if r.item.prompt.strip()}
    if not distinct or num_steps == 0:
        return LeanedOn({}, 0)
    if not model.tokenizer.is_fast:
        log.info("%s does not tell which word a token is of, so no word has a share", type(model.tokenizer).__name__)
        return LeanedOn({}, 0)
    start = time.perf_counter()
    found = word_attributions(list(distinct.values()), model.load(), model.tokenizer, model.most_tokens, num_steps)
    num_tokens = sum(attribution.num_tokens for attribution in found)
    log.info("words of %d failed items: %.1f s, %d tokens", len(found), time.perf_counter() - start, num_tokens)
    return LeanedOn({key: word_shares(each) for key, each in zip(distinct, found, strict=True)}, num_tokens)


def word_shares(attribution: WordAttribution) -> WordShares:
    total = np.abs(attribution.nats).sum()
    if not np.isfinite(total) or total == 0:
        return ()
    return tuple(zip(attribution.words, (attribution.nats / total).tolist(), strict=True))


def word_attributions(
    results: Sequence[ItemResult],
    model: CausalModel,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    num_steps: int,
) -> list[WordAttribution]:
    """Attribute the log-probability of the gold answer, or that of a rival that won less the gold's, in nats.

    The rows are those of `failed_items`, end token included; a row that is too long loses its first words.

    Args:
        results: Results of items, each with a word in its prompt.
    """
    model.eval().requires_grad_(False)
    model.config.use_cache = False
    queries = failed_items([results], tokenizer, max_length)
    nothing = mean_embedding(model, queries.rows)
    found = []
    for number, result in enumerate(results):
        item, own = result.item, np.flatnonzero(queries.item == number)
        start, end = item.span if item.is_chat else (0, len(item.prompt))  # markup is no word of anyone's
        words = [(match.group(), match.end()) for match in re.compile(r"\S+").finditer(item.prompt, start, end)]
        ends = [end for _, end in words]
        nats = np.zeros(len(words))
        for row, is_gold in zip(own.tolist(), queries.is_gold[own].tolist(), strict=True):
            one = queries.rows.select([row])
            text = item.prompt + item.delimiter + (item.target if is_gold else result.answer)
            start_of = _token_starts(text, len(one.ids), tokenizer)
            prompt = [
                place
                for place, at in start_of.items()
                if not one.has_loss[place] and (not item.is_chat or start <= at < end)
            ]
            # A blank token counts for the word behind it, what crosses the end of the prompt for the last one.
            word = np.searchsorted(ends, [start_of[k] for k in prompt], side="right").clip(max=len(words) - 1)
            by_token = integrated_gradients(model, one, prompt, nothing, num_steps)
            np.add.at(nats, word, by_token[prompt] * (-1 if is_gold and len(own) > 1 else 1))
        num_tokens = num_steps * int(queries.rows.lengths[own].sum())
        found.append(WordAttribution(tuple(word for word, _ in words), nats, num_tokens))
    return found


def _token_starts(text: str, num_tokens: int, tokenizer: PreTrainedTokenizerBase) -> dict[int, int]:
    """Start of each token in the text, by the token's place in a row of `encode`; the end token follows them."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    # Counted from the end: in front stand special tokens, or the row is cut off.
    starts = enumerate((start for start, _ in offsets), num_tokens - 1 - len(offsets))
    return {place: start for place, start in starts if place >= 0}
