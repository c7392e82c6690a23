"""Find the words of a failing item's prompt that the model relied on, for or against which answer.

Integrated gradients (`diagnose.model.integrated_gradients`) of each token, summed over the tokens of a word; where
these do not add up, as with large models, what the answer loses without the word (`diagnose.model.occlusion`). Costs
`num_steps` passes forward and backward for each item, twice that where a rival won; without words, as many forward as
there are, at most twice `num_steps`.
"""

import logging
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from diagnose.model.asked_model import AskedModel
from diagnose.model.integrated_gradients import integrated_gradients, mean_embedding
from diagnose.model.occlusion import leave_out_pieces
from diagnose.model.queries import failed_items, has_rival
from diagnose.rows.tokens import TokenRows
from evals.items import ItemKey, ItemResult
from evals.model_ref import CausalModel

log = logging.getLogger(__name__)

WordShares = tuple[tuple[str, float], ...]
"""Words of a prompt, in order, each with its signed share."""


GRADIENTS, OCCLUSION = "integrated_gradients", "occlusion"
"""How the words of one item are attributed."""

_MOST_GAP = 0.1
"""Largest gap of integrated gradients that are believed (`PathAttribution.gap`)."""


@dataclass(frozen=True, slots=True)
class LeanedOn:
    words: Mapping[ItemKey, WordShares]
    """Shares of the words of each item's prompt."""
    methods: Mapping[ItemKey, str]
    """`GRADIENTS` or `OCCLUSION` of each item."""
    num_tokens: int
    """Tokens that went through the model forward and backward."""
    num_forward: int
    """Tokens that went through it forward alone."""


NOTHING_LEANED_ON = LeanedOn({}, {}, 0, 0)


@dataclass(frozen=True, slots=True)
class WordAttribution:
    words: tuple[str, ...]
    """Words of the prompt, split at whitespace."""
    nats: NDArray[np.float64]
    """Attribution, [num_words]: by gradients the sum is the change against a neutral prompt, by occlusion each is the
    change without the word. Zero for words that are cut off."""
    method: str
    """`GRADIENTS` or `OCCLUSION`."""
    num_tokens: int
    """Tokens that went through the model forward and backward."""
    num_forward: int
    """Tokens that went through it forward alone."""


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
        return NOTHING_LEANED_ON
    if not model.tokenizer.is_fast:
        log.info("%s does not tell which word a token is of, so no word has a share", type(model.tokenizer).__name__)
        return NOTHING_LEANED_ON
    start = time.perf_counter()
    found = word_attributions(list(distinct.values()), model.load(), model.tokenizer, model.most_tokens, num_steps)
    num_tokens, num_forward = (sum(each.num_tokens for each in found), sum(each.num_forward for each in found))
    seconds = time.perf_counter() - start
    log.info("words of %d failed items: %.1f s, %d tokens", len(found), seconds, num_tokens + num_forward)
    by_item = dict(zip(distinct, found, strict=True))
    return LeanedOn(
        {key: word_shares(each) for key, each in by_item.items()},
        {key: each.method for key, each in by_item.items()},
        num_tokens,
        num_forward,
    )


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
    found: list[WordAttribution] = []
    lead = 0  # items of which gradients add up, less those of which they do not: it is mostly all or none
    for number, result in enumerate(results):
        places = np.flatnonzero(queries.item == number).tolist()
        rows = [
            _row_of(result, queries.rows.select([row]), is_gold, tokenizer)
            for row, is_gold in zip(places, queries.is_gold[places].tolist(), strict=True)
        ]
        tried = _by_gradients(rows, model, nothing, num_steps) if lead >= 0 else None
        if tried is not None and tried.adds_up:
            lead += 1
            found.append(tried.attribution)
            continue
        lead -= 1
        attribution = _by_occlusion(rows, model, 2 * num_steps)
        if tried is not None:
            attribution = replace(
                attribution,
                num_tokens=tried.attribution.num_tokens,
                num_forward=attribution.num_forward + tried.attribution.num_forward,
            )
        found.append(attribution)
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    """An answer to an item, with the words of the prompt."""

    tokens: TokenRows
    words: tuple[str, ...]
    word_of: NDArray[np.int64]
    """Word of each token, [num_tokens]; -1 for those of no word: the answer, special tokens, markup."""
    sign: int
    """1 for the answer that words speak for, -1 for the gold answer where a rival won."""


def _row_of(result: ItemResult, tokens: TokenRows, is_gold: bool, tokenizer: PreTrainedTokenizerBase) -> _Row:
    item = result.item
    start, end = item.span if item.is_chat else (0, len(item.prompt))  # markup is no word of anyone's
    words = [(match.group(), match.end()) for match in re.compile(r"\S+").finditer(item.prompt, start, end)]
    ends = [end for _, end in words]
    text = item.prompt + item.delimiter + (item.target if is_gold else result.answer)
    word_of = np.full(tokens.num_tokens, -1)
    for place, at in _token_starts(text, tokens.num_tokens, tokenizer).items():
        if not tokens.has_loss[place] and (not item.is_chat or start <= at < end):
            # A blank token counts for the word behind it, what crosses the end of the prompt for the last one.
            word_of[place] = min(int(np.searchsorted(ends, at, side="right")), len(words) - 1)
    return _Row(tokens, tuple(word for word, _ in words), word_of, -1 if is_gold and has_rival(result) else 1)


@dataclass(frozen=True, slots=True)
class _Tried:
    attribution: WordAttribution
    adds_up: bool


def _by_gradients(rows: Sequence[_Row], model: CausalModel, nothing: Tensor, num_steps: int) -> _Tried:
    """Attribute by integrated gradients, up to the first answer of which they do not add up."""
    nats, num_tokens, adds_up = np.zeros(len(rows[0].words)), 0, True
    for row in rows:
        prompt = np.flatnonzero(row.word_of >= 0)
        path = integrated_gradients(model, row.tokens, prompt.tolist(), nothing, num_steps)
        np.add.at(nats, row.word_of[prompt], row.sign * path.nats[prompt])
        num_tokens += row.tokens.num_tokens
        adds_up = not path.gap > _MOST_GAP  # where it is not a number, nothing else would be one
        if not adds_up:
            break
    return _Tried(WordAttribution(rows[0].words, nats, GRADIENTS, num_steps * num_tokens, 2 * num_tokens), adds_up)


def _by_occlusion(rows: Sequence[_Row], model: CausalModel, most_pieces: int) -> WordAttribution:
    """Attribute by leaving out words; of a long prompt neighbouring ones together, which share alike."""
    num_words = len(rows[0].words)
    piece_of = np.arange(num_words) * min(num_words, most_pieces) // num_words
    sizes = np.bincount(piece_of)
    nats, num_forward = np.zeros(num_words), 0
    for row in rows:
        pieces = np.where(row.word_of >= 0, piece_of[row.word_of], -1)
        changes = leave_out_pieces(model, row.tokens, pieces, len(sizes))
        nats += row.sign * (changes.nats / sizes)[piece_of]
        num_forward += changes.num_tokens
    return WordAttribution(rows[0].words, nats, OCCLUSION, 0, num_forward)


def _token_starts(text: str, num_tokens: int, tokenizer: PreTrainedTokenizerBase) -> dict[int, int]:
    """Start of each token in the text, by the token's place in a row of `encode`; the end token follows them."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    # Counted from the end: in front stand special tokens, or the row is cut off.
    starts = enumerate((start for start, _ in offsets), num_tokens - 1 - len(offsets))
    return {place: start for place, start in starts if place >= 0}
