"""Do the failed items come right under another prompt? The model is asked again, nothing is trained.

A model that was trained on one form of prompt and is asked in another fails for the form. Candidates are what stands
around every training prompt in the place of what stands around every item, blanks and marks at the end, and a few
training rows as examples before the question. Judged on items that chose nothing: every candidate is fixed before it is
asked. Costs one generation for each candidate and item.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from diagnose.evidence.evidence import Evidence
from diagnose.evidence.subject import Asker, Subject
from evals.items import Edited, ItemResult

_MOST = 24
"""Items asked under each prompt."""
_MOSTLY = 0.9
"""Share of texts that begin or end alike where that is a template."""
_SHOTS = 2


def change_prompts(subject: Subject, asker: Asker) -> Evidence:
    """Value `reprompted`: share of the failed items that the best other prompt makes right, less the share of passing
    ones that it breaks."""
    failed = [r for r in subject.failed if asker.can_ask(r.item)][:_MOST]
    # Right answers of the slice and of its tasks: a prompt that only pulls towards one answer breaks them.
    tasks = {r.item.task for r in failed}
    others = [r for r in subject.others if r.item.task in tasks and not r.is_failed]
    passed = [r for group in (subject.passed, others) for r in group[: _MOST // 2] if asker.can_ask(r.item)]
    if not failed:
        return Evidence("prompts", {}, "These items cannot be asked under another prompt.")
    before, best, name, tried = asker.num_tokens, 0.0, "", 0
    for says, edited in _candidates(subject):
        edits = [Edited(r.item, edited(r)) for r in (*failed, *passed)]
        if all(edit.prompt == edit.item.prompt for edit in edits) or not all(map(asker.has_room, edits)):
            continue
        tried += 1
        is_right = [result is not None and not result.is_failed for result in asker.ask(edits)]
        gain = float(np.mean(is_right[: len(failed)]))
        if passed:
            gain -= float(1 - np.mean(is_right[len(failed) :]))
        if gain > best:
            best, name = gain, says
    says = (
        f"{name} makes {best:.0%} of {len(failed)} failed items right."
        if name
        else f"None of {tried} other prompts makes any of {len(failed)} failed items right."
    )
    return Evidence("prompts", {"reprompted": best}, says, asker.num_tokens - before)


def _candidates(subject: Subject) -> Iterator[tuple[str, Callable[[ItemResult], str]]]:
    corpus = np.flatnonzero(~subject.rows.in_pool)
    inside = np.flatnonzero(subject.inside)
    trained = [
        subject.rows.prompts[k] for k in (inside if len(inside) >= 10 else corpus).tolist() if subject.rows.prompts[k]
    ]
    everything = [subject.rows.prompts[k] for k in corpus.tolist() if subject.rows.prompts[k]]
    asked = [r.item.prompt for r in subject.failed]
    for prompts in (trained, everything):
        ours, theirs = _frame(asked), _frame(prompts)
        if prompts and ours != theirs:
            yield (
                f"The training's form of prompt, “{theirs[0]}…{theirs[1]}” for “{ours[0]}…{ours[1]}”,",
                partial(_reframed, old=ours, new=theirs),
            )
    yield "A prompt without blanks at its ends", lambda r: r.item.prompt.strip()
    yield "A lower-case prompt", lambda r: r.item.prompt.lower()
    if trained:
        shots = corpus[:_SHOTS].tolist()
        examples = "".join(
            f"{subject.rows.prompts[k]}{subject.corpus.delimiter}{subject.rows.completions[k]}\n" for k in shots
        )
        yield f"{len(shots)} training rows as examples", lambda r: f"{examples}{r.item.prompt}"


def _frame(prompts: Sequence[str]) -> tuple[str, str]:
    """What nearly all of the texts begin and end with: whole words, with the blanks between them."""
    split = [re.findall(r"\s+|\S+", prompt) for prompt in prompts]
    return "".join(_shared(split)), "".join(_shared([words[::-1] for words in split])[::-1])


def _shared(split: Sequence[list[str]]) -> list[str]:
    shared: list[str] = []
    left = list(split)
    while left:
        heads = Counter(words[len(shared)] for words in left if len(words) > len(shared))
        word, count = heads.most_common(1)[0] if heads else ("", 0)
        if not heads or count < _MOSTLY * len(split):
            break
        shared.append(word)
        left = [words for words in left if len(words) >= len(shared) and words[len(shared) - 1] == word]
    return shared


def _reframed(result: ItemResult, old: tuple[str, str], new: tuple[str, str]) -> str:
    inner = result.item.prompt.removeprefix(old[0]).removesuffix(old[1])
    return f"{new[0]}{inner}{new[1]}"
