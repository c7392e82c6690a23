"""`interventions=counter_examples`: add rows whose cue no longer gives the answer away, against a shortcut.

In the place of each row of the slice that shows its answer, or has the word that goes with it, stands a twin: the same
question and answer, the cue that of another answer (counterfactually augmented data, Kaushik et al. 2020, arXiv
1909.12434; there people wrote the edits). No person and no model is needed, for the cue is no part of the question.
Each twin is checked: beside the cue nothing differs from its parent, and the cue goes with another answer.
Milliseconds for a thousand rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from diagnose.finding.finding import Cause, Finding
from diagnose.rows.cues import LEAST_ROWS, Pair, Place, TellingWord, shown_answers, telling_words, with_words
from diagnose.slices.predicate import row_members
from interventions.admission.gate import admit_edited, made_from
from interventions.plan.limits import Additions
from interventions.plan.step import COUNTER_EXAMPLES, Declined, Made, Remove, Resources, Steps, action_key, unfit

MAKER = "counterfactual edit of the cue"
VERIFIER = "the cue goes with another answer; beside it prompt and answer are the parent's"
_ATTEMPTS = 4
"""Other answers tried for a prompt: one that begins as the right one does would still show it."""


@dataclass
class CounterExamples(Additions):
    """Settings of the counter-examples; every field is a key `interventions.<field>`. Twins that stand in the place of
    their parents are not limited by `num_examples`."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        return counter_examples(finding, resources, self.synthetic_share)


def counter_examples(finding: Finding, resources: Resources, synthetic_share: float) -> Steps:
    """Make twins of the slice's rows; their parents leave where enough rows written by people remain.

    Args:
        finding: A finding caused by a shortcut.
        resources: Resources, of which the corpus and the gate are used.
        synthetic_share: Largest share of the draws for rows that no person wrote.
    """
    if reason := unfit(finding):
        return Declined(reason)
    if finding.cause is not Cause.SHORTCUT:
        return Declined("no cue is to blame, so there is nothing to make counter-examples against")
    if action_key(COUNTER_EXAMPLES, finding.data_slice) in resources.judged:
        return Declined(f"adding counter-examples for {finding.data_slice} was judged already")
    if not synthetic_share:
        return Declined("interventions.max_synthetic_share and interventions.min_human_share allow no synthetic row")
    stock = resources.stock
    own = stock.kept[row_members(finding.data_slice, stock.corpus.select(stock.kept))]
    parents = stock.corpus.select(own)
    cue, twins = _twins(parents.rows["prompt"][:], parents.rows["completion"][:])
    if not twins:
        return Declined(f"no cue was found in rows with {finding.data_slice} that could be edited")
    places = np.array(list(twins), np.int64)
    shown = {"source": [COUNTER_EXAMPLES] * len(twins), "prompt": list(twins.values())}
    made = made_from(parents.select(places), COUNTER_EXAMPLES, shown)
    admitted = admit_edited(made, np.arange(len(made)), stock.gate, stock.said)
    if not len(admitted.rows):
        return Declined(f"every counter-example for {finding.data_slice} is blocked")
    leaves = len(admitted.rows) <= synthetic_share * len(stock.kept)
    # Where parents stay, limits may leave room for some twins only, so their order is random.
    chosen = admitted.rows if leaves else np.random.default_rng(resources.seed).permutation(admitted.rows)
    placed = places[chosen]
    removal = Remove(
        finding=finding,
        kind=COUNTER_EXAMPLES,
        rows=np.sort(own[placed]),
        why=f"{finding.fails}: {len(placed)} rows with {finding.data_slice} that show the cue leave the corpus",
    )
    twinned = Made(
        finding=finding,
        kind=COUNTER_EXAMPLES,
        rows=made.select(chosen),
        parents=tuple(parents.rows.select(placed)["id"][:]),
        maker=MAKER,
        verifier=VERIFIER,
        why=f"{finding.fails}: {len(placed)} twins of rows with {finding.data_slice}, {cue}",
        is_in_place=leaves,
        is_raised=True,
        blocked=admitted.blocked,
    )
    return (removal, twinned) if leaves else (twinned,)


def _twins(prompts: Sequence[str], completions: Sequence[str]) -> tuple[str, dict[int, str]]:
    """Describe the cue, and map the place of each row with it to the prompt with the cue of another answer; of several
    cues the first that can be edited, shown answers before telling words."""
    pairs = [(prompt.split(), completion.split()) for prompt, completion in zip(prompts, completions, strict=True)]
    if len(pairs) < LEAST_ROWS:
        return "", {}
    rng = Random(0)
    for shown in shown_answers(pairs):
        if twins := _with_other_answers(prompts, pairs, shown.place, rng):
            return f"in which another answer stands {shown.place}", twins
    for telling in telling_words(pairs):
        if twins := _with_other_words(prompts, pairs, telling, rng):
            return f"in which {telling} of the prompt goes with another answer", twins
    return "", {}


def _with_other_answers(prompts: Sequence[str], pairs: Sequence[Pair], place: Place, rng: Random) -> dict[int, str]:
    answers = list(dict.fromkeys(tuple(answer) for _, answer in pairs if answer))
    alike: dict[int, list[tuple[str, ...]]] = {}
    for distinct in answers:
        alike.setdefault(len(distinct), []).append(distinct)
    twins = {}
    for k, (words, answer) in enumerate(pairs):
        span = place.span(words, len(answer))
        if span is None or not place.shows(words, answer):
            continue
        others = alike[len(answer)] if len(alike[len(answer)]) > 1 else answers
        for other in rng.sample(others, min(len(others), _ATTEMPTS)):
            prompt = with_words(prompts[k], span, other)
            if not place.shows(prompt.split(), answer):
                twins[k] = prompt
                break
    return twins


def _with_other_words(
    prompts: Sequence[str], pairs: Sequence[Pair], telling: TellingWord, rng: Random
) -> dict[int, str]:
    words_that_tell = sorted(set(telling.word_of.values()))
    twins = {}
    for k, (words, answer) in enumerate(pairs):
        own = telling.word_of[" ".join(answer)]
        others = [word for word in words_that_tell if word != own]
        if others and -len(words) <= telling.place < len(words) and words[telling.place] == own:
            start = telling.place % len(words)
            twins[k] = with_words(prompts[k], (start, start + 1), [rng.choice(others)])
    return twins
