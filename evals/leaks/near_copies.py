"""Find near copies of items, which must share a split and must not be trained on.

Design rules 1 and 7. Two texts are near copies when they are equal after normalising case, space and
punctuation, or, where both have 13 words or more, when they share a run of 13 words (the length of
Brown et al. 2020, arXiv 2005.14165, appendix C). Runs that belong to a task's template do not count. In a
closed grammar of short prompts only equality is left: most short runs are shared by unrelated items.

Cost: about 10 microseconds for a short text; n-grams are hashed in numpy, 13 passes over all words.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from evals.leaks.templates import NO_TEMPLATES, Templates

NUM_WORDS = 13
"""Length of the runs of words that make long texts near copies."""
OPEN_VOCABULARY = 500
"""Distinct words from which texts count as natural language, where a long run is not shared by chance."""

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_LETTER = r"[^\W\d_]"
_MARK_OR_SYMBOL = re.compile(r"[^\w\s]")
_APOSTROPHE = re.compile(rf"(?<={_LETTER})['’](?={_LETTER})")
# Prose marks go, but what carries meaning in arithmetic, lists of brackets or code stays: the point of
# 1.5, a minus between spaces, brackets that touch no letter.
# A set of characters stands first, which the engine looks for five times as fast as for alternatives.
_MARKS = re.compile(
    r"[.,;:!?…\"'`´“”„‘’«»()\[\]{}–—/-](?:"
    rf"(?<=[.,;:!?…])(?:(?!\d)|(?<={_LETTER}.))"
    r"|(?<=[\"'`´“”„‘’«»])"
    rf"|(?<=[()\[\]{{}}–—])(?:(?<={_LETTER}.)|(?={_LETTER}))"
    rf"|(?<={_LETTER}{{2}}[-/])(?={_LETTER}{{2}}))"
)


@dataclass(frozen=True, slots=True)
class ItemText:
    """The part of an item that decides which items are its near copies."""

    task: str
    text: str
    """Value of `Item.text`: the prompt without few-shot examples, the target where there is none."""
    target: str
    digest: str
    """Hash of the document."""


@dataclass(frozen=True, slots=True)
class NGrams:
    """Hashes of all runs of some number of words, [num_runs] each."""

    hashes: NDArray[np.uint64]
    owners: NDArray[np.int64]
    """Index of the text that each run is from."""


def split_keys(texts: Sequence[ItemText], templates: Templates = NO_TEMPLATES) -> list[str]:
    """Give each text a key that near copies share: the smallest digest among them.

    Keys depend on the set of texts only, neither on their order nor on a seed.
    """
    if not texts:
        return []
    identities = identity_texts(texts, templates)
    _, same = np.unique(text_hashes(identities), return_inverse=True)
    runs = item_ngrams(texts)
    _, run = np.unique(runs.hashes, return_inverse=True)
    # A graph of texts, then one node for each distinct text, then one for each distinct run.
    num_texts, num_same = len(texts), int(same.max()) + 1
    rows = np.concatenate([np.arange(num_texts), runs.owners])
    columns = num_texts + np.concatenate([same, num_same + run])
    size = int(columns.max()) + 1
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    smallest: dict[int, str] = {}
    for label, text in zip(labels[:num_texts].tolist(), texts, strict=True):
        smallest[label] = min(text.digest, smallest.get(label, text.digest))
    return [smallest[label] for label in labels[:num_texts].tolist()]


def identity_texts(texts: Sequence[ItemText], templates: Templates) -> list[str]:
    """Normalised text, or template and slot values, which two items share only where they are near copies.

    A prompt that more than 5 % and more than 20 of a task's items share ("Which sentence is right?") asks
    nothing by itself: there the target is part of the identity.
    """
    normal = [templates.canonical(normalise(text.text)) for text in texts]
    num_items = Counter(text.task for text in texts)
    num_same = Counter((text.task, words) for text, words in zip(texts, normal, strict=True))
    return [
        f"{words} {normalise(text.target)}"
        if num_same[text.task, words] > max(20, 0.05 * num_items[text.task])
        else words
        for text, words in zip(texts, normal, strict=True)
    ]


def item_ngrams(texts: Sequence[ItemText]) -> NGrams:
    """Runs that make a text the near copy of another one, each once per text.

    Left out are a task's template, by two signs: the words that all of its texts begin and end with, and
    runs that stand in more than 1 % and more than 3 of its texts.
    """
    by_task: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        by_task.setdefault(text.task, []).append(index)
    hashes, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for indices in by_task.values():
        runs = ngrams(without_template([normalise(texts[index].text) for index in indices]))
        distinct, inverse = np.unique(runs.hashes, return_inverse=True)
        pairs = np.unique(np.stack([inverse, runs.owners]), axis=1)  # [2, num_pairs]: run, text
        num_texts = np.bincount(pairs[0], minlength=len(distinct))
        run, owner = pairs[:, num_texts[pairs[0]] <= max(3, 0.01 * len(indices))]
        hashes.append(distinct[run])
        owners.append(np.array(indices, dtype=np.int64)[owner])
    return NGrams(hashes=np.concatenate(hashes), owners=np.concatenate(owners))


def without_template(normal: Sequence[str]) -> list[str]:
    """Remove the words that all texts begin and end with; words are separated by single spaces."""
    prefix, suffix = template_lengths(normal)
    return [" ".join(words.split(" ")[prefix:][: -suffix or None]) for words in normal]


def template_lengths(normal: Sequence[str]) -> tuple[int, int]:
    """Numbers of words that all texts begin and end with; 0 and 0 for up to three distinct texts."""
    distinct = sorted(words.split(" ") for words in set(normal))
    if len(distinct) <= 3:
        return 0, 0
    prefix = _num_common(distinct[0], distinct[-1])
    backwards = sorted(words[prefix:][::-1] for words in distinct)
    return prefix, _num_common(backwards[0], backwards[-1])


def _num_common(first: Sequence[str], last: Sequence[str]) -> int:
    """Length of the common beginning; for the first and last of sorted sequences, that of all of them."""
    pairs = enumerate(zip(first, last, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(last)))


def ngrams(normal: Sequence[str], num_words: int = NUM_WORDS) -> NGrams:
    """Hashes of the runs of `num_words` words in normalised texts; shorter texts have none."""
    long = [i for i, words in enumerate(normal) if words.count(" ") >= num_words - 1]
    if not long:
        return NGrams(hashes=np.zeros(0, np.uint64), owners=np.zeros(0, np.int64))
    words = " ".join([normal[i] for i in long]).split(" ")
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
    places = np.fromiter(map(numbers.__getitem__, words), np.int64, len(words))
    hashed = text_hashes(list(numbers))[places]  # [num_words]
    lengths = np.array([normal[i].count(" ") + 1 for i in long])
    owners = np.repeat(np.array(long, dtype=np.int64), lengths)
    runs = np.zeros(len(hashed) - num_words + 1, dtype=np.uint64)
    for offset in range(num_words):
        runs = runs * MULTIPLIER + hashed[offset : offset + len(runs)]
    ends = np.repeat(np.cumsum(lengths), lengths)[: len(runs)]
    is_whole = np.arange(len(runs)) + num_words <= ends  # a run that starts in one text and ends in the next
    return NGrams(hashes=runs[is_whole], owners=owners[: len(runs)][is_whole])


def normalise(text: str) -> str:
    """Lower-case a text, with single spaces and no prose punctuation; `normalise(a + " " + b)` joins the two."""
    folded = fold(text)
    if not _MARK_OR_SYMBOL.search(folded):  # three times as fast, and most rows of small corpora
        return " ".join(folded.split())
    bare = " ".join(_MARKS.sub(" ", _APOSTROPHE.sub("", folded)).split())
    return bare or " ".join(folded.split())


def fold(text: str) -> str:
    """Text without differences of case and of compatible characters."""
    return (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()


def text_hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Hashes of 64 bits, the same in every process; [num_texts]."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype=np.uint64)
