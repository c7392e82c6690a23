"""Test whether the failed items come right under another prompt: ask the model again, train nothing.

A model that was trained on one form of prompt and is asked in another fails for the form. Candidates are the training's
frame in the place of the evaluation's, no blanks at the ends, lower case, and a few training rows as examples before
the question. No item chooses a candidate that it tests: each is fixed before it is asked. A training frame that makes
half of them right is passed on as a form. Costs one generation for each candidate and item.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from diagnose.evidence.subject import Subject
from diagnose.finding.evidence import SETTLED, Evidence
from diagnose.finding.forms import Form, Frame
from diagnose.model.asked_model import Asker
from evals.items import Edited, Item

_MOST = 24
"""Most failed items, and most passing ones, that are asked under each prompt."""
_MOSTLY = 0.9
"""Share of texts that must begin or end alike for that to be a template."""
_SHOTS = 2


@dataclass(frozen=True, slots=True)
class _Candidate:
    says: str
    prompt_of: Callable[[str], str]
    """Makes the new prompt from the item's own."""
    frame: Frame | None = None
    """Frame of rows that teach the evaluation's form."""


def change_prompts(subject: Subject, asker: Asker) -> Evidence:
    """Give `reprompted`, the share of the failed items that the best other prompt makes right, less the share of
    passing ones that it breaks; where answers are labels, also less the items of other labels that it breaks for each
    failed one."""
    failed = [r for r in subject.failed if asker.can_ask(r.item)][:_MOST]
    rivals = subject.competing
    # Right answers of the slice and of its tasks: a prompt that only pulls towards one answer breaks them.
    tasks = {r.item.task for r in failed}
    others = [] if rivals else [r for r in subject.others if r.item.task in tasks and not r.is_failed]
    passed = [r for group in (subject.passed, others) for r in group[: _MOST // 2] if asker.can_ask(r.item)]
    competing = [r for r in rivals if asker.can_ask(r.item)][:_MOST]
    if not failed:
        return Evidence("prompts", {}, "These items cannot be asked under another prompt.")
    before, best, chosen, num_candidates = asker.num_tokens, 0.0, None, 0
    for candidate in _candidates(subject):
        edits = [Edited(r.item, _reworded(r.item, candidate)) for r in (*failed, *passed, *competing)]
        if all(edit.prompt == edit.item.prompt for edit in edits) or not all(map(asker.has_room, edits)):
            continue
        num_candidates += 1
        is_right = [result is not None and not result.is_failed for result in asker.ask(edits)]
        of_passed, of_competing = len(failed), len(failed) + len(passed)
        gain = float(np.mean(is_right[:of_passed]))
        if passed:
            gain -= float(1 - np.mean(is_right[of_passed:of_competing]))
        if competing:
            gain -= float(1 - np.mean(is_right[of_competing:])) * len(rivals) / len(subject.failed)
        if gain > best:
            best, chosen = gain, candidate
    says = (
        f"{chosen.says} makes {best:.0%} of {len(failed)} failed items right."
        if chosen is not None
        else f"None of {num_candidates} other prompts makes any of {len(failed)} failed items right."
    )
    frame = chosen.frame if chosen is not None and best >= SETTLED else None
    forms = (Form(frame=frame),) if frame is not None else ()
    return Evidence("prompts", {"reprompted": best}, says, asker.num_tokens - before, forms=forms)


def _candidates(subject: Subject) -> Iterator[_Candidate]:
    corpus = np.flatnonzero(~subject.rows.in_pool)
    inside = np.flatnonzero(subject.inside)
    trained = [
        subject.rows.prompts[k] for k in (inside if len(inside) >= 10 else corpus).tolist() if subject.rows.prompts[k]
    ]
    everything = [subject.rows.prompts[k] for k in corpus.tolist() if subject.rows.prompts[k]]
    evaluated = _frame([r.item.shown for r in subject.failed])
    bare = _frame([r.item.text for r in subject.failed])
    for prompts in (trained, everything):
        theirs = _frame(prompts)
        if prompts and evaluated != theirs:
            yield _framed(Frame(theirs, evaluated), Frame(theirs, bare))
    yield _Candidate("A prompt without blanks at its ends", str.strip)
    yield _Candidate("A lower-case prompt", str.lower)
    if trained:
        shots = corpus[:_SHOTS].tolist()
        rows, delimiter = subject.rows, subject.corpus.rendering.delimiter or " "
        examples = "".join(f"{rows.prompts[k]}{delimiter}{rows.completions[k]}\n" for k in shots)
        yield _Candidate(f"{len(shots)} rows of the corpus as examples", lambda prompt: f"{examples}{prompt}")


def _reworded(item: Item, candidate: _Candidate) -> str:
    prompt = candidate.prompt_of(item.shown)
    return item.prompt_with(prompt) if item.is_chat else prompt


def _framed(frame: Frame, taught: Frame) -> _Candidate:
    """Make a candidate. Examples before the question belong to the frame in which it is asked, not to that of rows."""
    is_other = taught.training != taught.evaluation
    return _Candidate(f"{frame},", lambda prompt: frame.undone(prompt) or prompt, taught if is_other else None)


def _frame(prompts: Sequence[str]) -> tuple[str, str]:
    """Find what nearly all of the texts begin and end with: whole words, with the blanks between them."""
    split = [re.findall(r"\s+|\S+", prompt) for prompt in prompts]
    return "".join(_shared(split)), "".join(_shared([words[::-1] for words in split])[::-1])


def _shared(split: Sequence[list[str]]) -> list[str]:
    shared: list[str] = []
    left = list(split)
    while heads := Counter(words[len(shared)] for words in left if len(words) > len(shared)):
        [(word, count)] = heads.most_common(1)
        if count < _MOSTLY * len(split):
            break
        shared.append(word)
        left = [words for words in left if words[: len(shared)] == shared]
    return shared
