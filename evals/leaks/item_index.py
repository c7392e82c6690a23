"""Find training rows that repeat an evaluation item, without revealing any item.

No item, nor a near copy, may enter training through a fix, so diagnosis and quality gate need to know about items of
all splits; but below the controller only probe items may be read. An `ItemIndex` holds hashes and counts only.

Cost: about 10,000 rows of 30 words a second on one core; 8 bytes for each item and run of 13 words, and 200 for what
an item says.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.items import Item
from evals.leaks.near_copies import ItemText, NGrams, identity_texts, item_ngrams, ngrams, normalise, text_hashes
from evals.leaks.resemblance import contains, is_long, is_open
from evals.leaks.rewordings import Rewordings, from_arrays, make_rewordings, to_arrays
from evals.leaks.templates import NO_TEMPLATES, Templates, make_templates

_CHUNK = 8192
"""Rows normalised at once: bounds the memory, costs nothing measurable."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ItemIndex:
    """Hashes of the items of all splits. Build it with `index_items`."""

    num_items: int
    _prompts: NDArray[np.uint64]
    """Hashes of questions, sorted; neither a row's prompt nor a plain-text row may match one."""
    _texts: NDArray[np.uint64]
    """Hashes of prompt and target together, sorted; no whole row may match one."""
    _runs: NDArray[np.uint64]
    """Hashes of runs of 13 words in questions and answers, sorted; no row may contain one."""
    _rewordings: Rewordings
    """Contents of items, which a row must not repeat in other words."""
    _names: NDArray[np.uint64]
    """Name of each item (`item_names`)."""
    templates: Templates
    """The suite's rules for near copies, by which the texts were compared."""

    def matches(self, texts: Iterable[tuple[str, str]]) -> NDArray[np.bool_]:
        """Tell which training rows are near copies of an item of any split.

        Args:
            texts: Prompt (shaped by the corpus's template; empty for plain text) and completion of each row.

        Returns:
            [num_rows]; true where the row's prompt is an item's, or, whatever the prompt, the whole row is
            an item's prompt and target, or it contains a run of 13 words that only items have; or the row's
            prompt is an item in other words (`evals.leaks.rewordings`).
        """
        rows = iter(texts)
        found = [np.zeros(0, dtype=np.bool_)]
        while chunk := list(islice(rows, _CHUNK)):
            found.append(self._match(chunk))
        return np.concatenate(found)

    def _match(self, rows: Sequence[tuple[str, str]]) -> NDArray[np.bool_]:
        texts = _row_texts(rows, self.templates)
        found = contains(self._texts, text_hashes(texts.wholes))
        found |= contains(self._prompts, text_hashes(texts.questions))
        if len(self._runs):
            runs = ngrams(texts.wholes)
            found[runs.owners[contains(self._runs, runs.hashes)]] = True
        left = np.flatnonzero(~found)
        found[left[self._reworded([rows[k] for k in left.tolist()])[:, 0]]] = True
        return found

    def reworded_names(self, rows: Sequence[tuple[str, str]]) -> NDArray[np.uint64]:
        """Names (`item_names`) of the items that rows, given as for `matches`, repeat in other words; sorted."""
        return np.unique(self._names[self._reworded(rows)[:, 1]])

    def _reworded(self, rows: Sequence[tuple[str, str]]) -> NDArray[np.int64]:
        is_plain = np.array([not prompt.strip() for prompt, _ in rows], np.bool_)
        return self._rewordings.pairs([prompt if prompt.strip() else whole for prompt, whole in rows], is_plain)

    def save(self, path: Path) -> None:
        """Write an `.npz` file for `load_index`."""
        rules = json.dumps([[name, [p.pattern for p in patterns]] for name, patterns in self.templates.rules])
        arrays: dict[str, Any] = {
            "num_items": self.num_items,
            "prompts": self._prompts,
            "texts": self._texts,
            "runs": self._runs,
            "names": self._names,
            "templates": rules,
            **to_arrays(self._rewordings),
        }
        np.savez(path, **arrays)

    def __repr__(self) -> str:
        return f"ItemIndex({self.num_items} items, {len(self._runs)} long runs)"


def index_items(items: Iterable[Item], templates: Templates = NO_TEMPLATES) -> ItemIndex:
    """Index items, as a rule those of all splits; `templates` are the suite's."""
    texts = [ItemText(item.task, item.text, item.target, item.id) for item in items]
    normal = [normalise(text.text) for text in texts]
    targets = [normalise(text.target) for text in texts]
    identities = identity_texts(texts, templates)
    # An item without a prompt of its own is only a copy where the whole row is.
    prompts = [
        identity
        for words, identity in zip(normal, identities, strict=True)
        if words and identity == templates.canonical(words)
    ]
    wholes = [f"{words} {target}" for words, target in zip(normal, targets, strict=True)]
    wholes += [words for words, target in zip(normal, targets, strict=True) if words == target]
    return ItemIndex(
        num_items=len(texts),
        _prompts=np.unique(text_hashes(prompts)),
        _texts=np.unique(text_hashes(wholes)),
        _runs=np.unique(np.concatenate([runs.hashes for runs in _item_runs(texts)])),
        _rewordings=make_rewordings(texts),
        _names=item_names(texts),
        templates=templates,
    )


def load_index(path: Path) -> ItemIndex:
    """Read what `ItemIndex.save` wrote."""
    with np.load(path) as arrays:
        templates = make_templates(dict(json.loads(str(arrays["templates"]))))
        return ItemIndex(
            num_items=int(arrays["num_items"]),
            _prompts=arrays["prompts"],
            _texts=arrays["texts"],
            _runs=arrays["runs"],
            _rewordings=from_arrays(arrays),
            _names=arrays["names"],
            templates=templates,
        )


def item_names(texts: Sequence[ItemText]) -> NDArray[np.uint64]:
    """Hash of task, text and target of each item."""
    return text_hashes([f"{text.task}\x00{text.text}\x00{text.target}" for text in texts])


def repeated_items(items: Sequence[Item], texts: Iterable[tuple[str, str]], index: ItemIndex) -> NDArray[np.bool_]:
    """Tell which of the items the training rows repeat, [num_items]; the other side of `ItemIndex.matches`.

    Args:
        items: Items that the caller has anyway.
        texts: Rows as for `matches`; usually few, those that matched.
        index: Index of the items of all splits, which finds rewordings and has the suite's templates.
    """
    pairs, templates = list(texts), index.templates
    rows = _row_texts(pairs, templates)
    known = {*rows.questions, *rows.wholes}
    runs = np.unique(ngrams(rows.wholes).hashes)
    own = [ItemText(item.task, item.text, item.target, item.id) for item in items]
    identities = identity_texts(own, templates)
    repeats = (_is_repeated(t, i, known, templates) for t, i in zip(own, identities, strict=True))
    found = np.fromiter(repeats, np.bool_, len(own))
    for item_runs in _item_runs(own):
        found[item_runs.owners[contains(runs, item_runs.hashes)]] = True
    found |= contains(index.reworded_names(pairs), item_names(own))
    return found


def _item_runs(texts: Sequence[ItemText]) -> list[NGrams]:
    """Runs of the questions and, where answers are natural language, of questions with answers: a row that repeats a
    worked solution gives it away. In a closed grammar of long answers unrelated rows share such runs."""
    if not is_open(text.target for text in texts if is_long(text.target)):
        return [item_ngrams(texts)]
    answered = [replace(text, text=f"{text.text} {text.target}") for text in texts]
    return [item_ngrams(texts), item_ngrams(answered)]


def _is_repeated(text: ItemText, identity: str, known: Collection[str], templates: Templates) -> bool:
    words, target = normalise(text.text), normalise(text.target)
    # A prompt that many items share does not identify an item.
    is_its_own = identity == templates.canonical(words)
    return (is_its_own and identity in known) or f"{words} {target}" in known


@dataclass(frozen=True, slots=True)
class _RowTexts:
    questions: list[str]
    """Question of each row in canonical form (`Templates.canonical`); the whole row where it is plain text."""
    wholes: list[str]


def _row_texts(rows: Sequence[tuple[str, str]], templates: Templates) -> _RowTexts:
    prompts = [normalise(prompt) for prompt, _ in rows]
    wholes = [
        f"{prompt} {normalise(completion)}" if prompt else normalise(completion)
        for prompt, (_, completion) in zip(prompts, rows, strict=True)
    ]
    return _RowTexts([templates.canonical(p) if p else w for p, w in zip(prompts, wholes, strict=True)], wholes)
