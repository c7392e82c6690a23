"""Find rows that say the same: exact copies, and near copies of long texts.

Copies are exact after normalising case, space and punctuation. Near copies are texts of 13 words and more of an open
vocabulary whose runs of three words have a Jaccard similarity of .8 (Broder 1997; `evals.leaks.resemblance`), and that
have the same answer or no prompt: long prompts may differ in few, decisive words. The words that all prompts
begin and end with do not count. In a closed grammar of short texts most rows are near each other, and only equality
counts.

Costs 20 microseconds a row once, 30 more a long one, and 230 where an unlucky template makes all of them half alike:
half a minute to four for a million.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from diagnose.rows.pool import TrainPool
from diagnose.rows.selection import evenly_spaced, text_pairs
from evals.leaks.near_copies import NGrams, normalise, template_lengths, text_hashes
from evals.leaks.resemblance import band_keys, is_long, is_open, short_runs, signatures, similarity

NEAR = 0.8
"""Smallest Jaccard similarity of near copies."""
_MAYBE = 0.65
"""Estimated similarity from which the real one is computed: three standard errors below that of near copies."""
_BAND = 5
"""Numbers of a signature in each of 12 bands: one band agrees for 99 % of pairs with a similarity of .8, 3 % at .3."""
_MOST_LONG = 5_000
"""Long rows that are compared by default."""
_SAMPLE = 5_000
"""Most prompts from which the template is found."""
_CHUNK = 65_536
_COMPARED = 8_192
"""Texts or pairs processed at once, which bounds the memory."""


def content_hashes(rows: TrainPool) -> NDArray[np.uint64]:
    """Hashes of contents, equal for exact copies, [num_rows]."""
    parts = (range(start, min(start + _CHUNK, len(rows))) for start in range(0, len(rows), _CHUNK))
    hashes = [text_hashes([_whole(content) for content in contents(rows.select(part))]) for part in parts]
    return np.concatenate(hashes) if hashes else np.zeros(0, np.uint64)


def near_groups(rows: TrainPool, most: int = _MOST_LONG) -> NDArray[np.int64]:
    """Number the groups of near copies that rows are in, [num_rows]; rows that are not compared are alone.

    Args:
        rows: Exact copies are in one group only where they are long.
        most: Number of long rows, the first ones, that are compared with each other.
    """
    return first_alike(list(contents(rows)), most)


def contents(rows: TrainPool) -> Iterator[str]:
    """Normalised prompt and completion of each row, a zero byte between them; equal for rows that are the same."""
    for prompt, completion in text_pairs(rows):
        yield f"{normalise(prompt)}\x00{normalise(completion)}"


def first_alike(contents: Sequence[str], most: int | None = None) -> NDArray[np.int64]:
    """Index of the first content in each one's group of near copies, [num_contents]; mostly its own.

    Groups do not depend on the order of contents. Every text is compared with two at most for each of 12
    bands, so the cost grows with their number, and a million needs no bound; 600 bytes are held for each.

    Args:
        contents: Contents from `contents`.
        most: Number of long ones, the first, that are compared; None for all.
    """
    first = np.arange(len(contents))
    long = np.array([k for k, content in enumerate(contents) if has_near_copies(content)][:most], np.int64)
    if len(long) < 2 or not is_open(_whole(contents[k]) for k in long.tolist()):
        return first
    hashes = text_hashes([contents[k] for k in long.tolist()])
    long = long[np.argsort(hashes, kind="stable")]  # an order that depends on the contents alone
    label = _groups([contents[k] for k in long.tolist()])
    least = np.full(len(long), len(contents))
    np.minimum.at(least, label, long)
    first[long] = least[label]
    return first


def has_near_copies(content: str) -> bool:
    """Whether a content has enough words to be compared."""
    return is_long(_whole(content))


def _groups(contents: Sequence[str]) -> NDArray[np.int64]:
    """Number the groups that contents are in, [num_contents]."""
    sample = evenly_spaced(len(contents), _SAMPLE)
    template = template_lengths([contents[k].split("\x00")[0] for k in sample.tolist()])
    found = [np.zeros((0, 2), np.int64)]
    owners, signed = _signed(contents, template)
    for band in band_keys(signed, _BAND).T:  # [num_texts]
        order = np.argsort(band, kind="stable")
        is_same = band[order][1:] == band[order][:-1]
        starts = np.maximum.accumulate(np.where(np.append(False, is_same), 0, np.arange(len(order))))
        met = np.stack([np.append(order[:-1], order[starts[1:]]), np.tile(order[1:], 2)], axis=1)[np.tile(is_same, 2)]
        found += [
            part[similarity(signed[part[:, 0]], signed[part[:, 1]]) >= _MAYBE]
            for part in (met[start : start + _CHUNK] for start in range(0, len(met), _CHUNK))
        ]
    met = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    pairs = owners[met[met[:, 0] != met[:, 1]]]
    one, other = pairs[_jaccard(contents, pairs, template) >= NEAR].T
    size = len(contents)
    _, label = connected_components(coo_array((np.ones(len(one)), (one, other)), shape=(size, size)), directed=False)
    return np.asarray(label, np.int64)


def _signed(contents: Sequence[str], template: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Indices of the contents that are compared, and their signatures."""
    owners, signed = [], []
    for start in range(0, len(contents), _COMPARED):
        runs = _runs(contents[start : start + _COMPARED], template)
        owners.append(np.unique(runs.owners) + start)
        signed.append(signatures(runs))
    return np.concatenate(owners), np.concatenate(signed)


def _jaccard(contents: Sequence[str], pairs: NDArray[np.int64], template: tuple[int, int]) -> NDArray[np.float64]:
    """Jaccard similarity of the runs of pairs of contents, [num_pairs]."""
    found = [np.zeros(0)]
    for start in range(0, len(pairs), _COMPARED):
        part = pairs[start : start + _COMPARED]
        numbers, places = np.unique(part, return_inverse=True)
        runs = _runs([contents[k] for k in numbers.tolist()], template)
        bounds = np.searchsorted(runs.owners, np.arange(1, len(numbers)))
        sets = [set(own.tolist()) for own in np.split(runs.hashes, bounds)]
        each = ((sets[a], sets[b]) for a, b in places.reshape(-1, 2).tolist())
        found.append(np.array([len(a & b) / len(a | b) for a, b in each]))
    return np.concatenate(found)


def _runs(contents: Sequence[str], template: tuple[int, int]) -> NGrams:
    """Runs of the texts without their template; texts of different answers share none."""
    prefix, suffix = template
    texts, answers = [], []
    for content in contents:
        prompt, _, completion = content.partition("\x00")
        if prompt and (prefix or suffix):
            prompt = " ".join(prompt.split(" ")[prefix:][: -suffix or None])
        texts.append(f"{prompt} {completion}".strip())
        answers.append(completion if content[0] != "\x00" else "")
    return short_runs(texts, answers)


def _whole(content: str) -> str:
    return content.replace("\x00", " ").strip()
