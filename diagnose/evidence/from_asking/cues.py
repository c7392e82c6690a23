"""Test whether the model follows a cue: edit what the prompts of training rows give away, and ask the items again.

Cues are searched in the rows of the failing slice (`diagnose.rows.cues`). Where the failed items show the model's wrong
answer, or the word that goes with it, in that place, the cue is changed to what training would have shown beside the
gold answer; and words that the model leans on by token attribution are left out one by one. If at least half of the
failures turn right, the model has learnt the cue and not the skill.

Costs one generation for each cue and item.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from diagnose.evidence.subject import Subject
from diagnose.finding.evidence import Evidence
from diagnose.model.asked_model import Asker
from diagnose.rows.cues import LEAST_ROWS, Pair, answers_at, known_words, shown_answers, telling_words, with_words
from evals.items import Edited, ItemKey, ItemResult

_MOST = 32
"""Most failed items that are asked for each cue."""
_MOST_ROWS = 400
_MOST_LENGTHS = 8
"""Most lengths, in words, that a shown answer may have."""
_MOST_LEFT_OUT = 3
"""Number of words left out one by one."""


@dataclass(frozen=True, slots=True)
class _Cue:
    says: str
    edits: Mapping[int, Sequence[str]]
    """New prompts of each failed item that shows the cue, by its place among the failed ones; the first that turns it
    right counts. There are several where the cue's number of words is unknown."""
    control: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """The same items edited as much where no cue stands: a model that is unsure changes its answers at any edit."""
    left_out: str = ""
    """Word that the edits leave out; empty where they change one."""


def edit_cues(subject: Subject, asker: Asker, leaned: Mapping[ItemKey, Sequence[tuple[str, float]]]) -> Evidence:
    """Give `cue_flips`, the share of the failed items that turn right when the best cue is edited; where a word is left
    out, beyond what another word does, and less the items of other labels that it breaks for each failed one.

    Args:
        leaned: Words of failed items with their shares, by task and id, as far as they are known.
    """
    failed = [r for r in subject.failed if asker.can_ask(r.item)][:_MOST]
    rows = np.flatnonzero(subject.inside)[:_MOST_ROWS].tolist()
    pairs = [(subject.rows.prompts[k].split(), subject.rows.completions[k].split()) for k in rows]
    if not failed:
        return Evidence("cues", {}, "These items cannot be asked under another prompt.")
    cues = list(_cues([(prompt, answer) for prompt, answer in pairs if prompt and answer], failed))
    cues += list(_left_out(failed, leaned))
    competing = [r for r in subject.competing if asker.can_ask(r.item)][:_MOST]
    before, best, name = asker.num_tokens, 0.0, ""
    for cue in cues:
        flips = len(_flipped(cue.edits, failed, asker)) / len(failed)
        if flips > best and cue.control:
            flips -= len(_flipped(cue.control, failed, asker)) / len(failed)
        if flips > best and cue.left_out:
            flips -= _broken(cue.left_out, competing, asker) * len(subject.competing) / len(subject.failed)
        if flips > best:
            best, name = flips, cue.says
    if name:
        says = f"{name}, {best:.0%} of {len(failed)} failed answers turn right."
    elif cues:
        says = f"No cue was found that changes any of {len(failed)} failed answers ({len(cues)} edited)."
    else:
        says = "The prompts of training rows give no answer away."
    return Evidence("cues", {"cue_flips": best}, says, asker.num_tokens - before)


def _flipped(edits: Mapping[int, Sequence[str]], failed: Sequence[ItemResult], asker: Asker) -> set[int]:
    """Places of the failed items that an edit turns right."""
    flipped: set[int] = set()
    for attempt in range(max(map(len, edits.values()))):
        left = [k for k, prompts in edits.items() if k not in flipped and attempt < len(prompts)]
        results = asker.ask([Edited(failed[k].item, edits[k][attempt]) for k in left])
        flipped |= {k for k, result in zip(left, results, strict=True) if result is not None and not result.is_failed}
    return flipped


def _broken(word: str, passing: Sequence[ItemResult], asker: Asker) -> float:
    """Share of passing items that fail without the word; 0 without any."""
    edits = [
        Edited(r.item, r.item.prompt_with(text))
        for r in passing
        if word in r.item.asked.split() and (text := " ".join(w for w in r.item.asked.split() if w != word))
    ]
    results = asker.ask(edits)
    return sum(result is not None and result.is_failed for result in results) / max(len(passing), 1)


def _cues(pairs: Sequence[Pair], failed: Sequence[ItemResult]) -> Iterator[_Cue]:
    if len(pairs) < LEAST_ROWS:
        return
    lengths = [length for length, _ in Counter(len(answer) for _, answer in pairs).most_common(_MOST_LENGTHS)]
    known = known_words(pairs)
    for shown in shown_answers(pairs):
        edits = {}
        for k, result in enumerate(failed):
            words, gold, answer = result.item.asked.split(), result.item.target.split(), result.answer.split()
            if gold and not shown.place.shows(words, gold):
                spans = answers_at(shown.place, words, dict.fromkeys([len(answer), *lengths]), known.union(answer))
                edits[k] = [result.item.prompt_with(with_words(result.item.asked, span, gold)) for span in spans]
        if any(edits.values()):
            where = f"{shown.share:.0%} of training rows show their answer {shown.place}"
            yield _Cue(f"{where}; with the gold answer there", edits)
    for telling in telling_words(pairs):
        edits = {}
        for k, result in enumerate(failed):
            words, word = result.item.asked.split(), telling.word_of.get(" ".join(result.item.target.split()))
            if word is not None and -len(words) <= telling.place < len(words) and words[telling.place] != word:
                start = telling.place % len(words)
                edits[k] = [result.item.prompt_with(with_words(result.item.asked, (start, start + 1), [word]))]
        if edits:
            yield _Cue(
                f"In training {telling} of the prompt tells the answer; with the gold answer's word there", edits
            )


def _left_out(failed: Sequence[ItemResult], leaned: Mapping[ItemKey, Sequence[tuple[str, float]]]) -> Iterator[_Cue]:
    """Make cues that leave out one of the words that the model leans on most; another word is left out as a control."""
    rng = np.random.default_rng(0)
    weight: dict[str, float] = {}
    for result in failed:
        for word, share in leaned.get(result.item.key, ()):
            weight[word] = weight.get(word, 0.0) + abs(share)
    for word in sorted(weight, key=lambda word: -weight[word])[:_MOST_LEFT_OUT]:
        edits: dict[int, list[str]] = {}
        control: dict[int, list[str]] = {}
        for k, result in enumerate(failed):
            words = result.item.asked.split()
            others = sorted(set(words) - {word})
            if word in words and others:
                other = others[rng.integers(len(others))]
                for edited, gone in ((edits, word), (control, other)):
                    edited[k] = [result.item.prompt_with(" ".join(w for w in words if w != gone))]
        if edits:
            yield _Cue(f"Without “{word}”, which the model leans on, and beyond another word", edits, control, word)
