"""Put a result in words: the headline, and numbers with the digits that a reader can use."""

from collections.abc import Mapping, Sequence

from controller.engine.budget import Cost
from controller.results.arm_names import AT_COMPUTE, CHALLENGER, WITHOUT
from controller.results.diagnosis_json import FindingRecord
from controller.results.loop_json import (
    ActionRecord,
    Decision,
    Ending,
    LoopResult,
    Measure,
    Round,
    Sealed,
    VerdictRecord,
)
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice
from interventions.controls import source_of

NBSP = "\N{NO-BREAK SPACE}"

CAUSES = {
    "training_setup": "the training set-up",
    "contamination": "evaluation items in the training data",
    "format": "the format of prompt or answer",
    "wrong_gold": "wrong gold answers in the evaluation",
    "wrong_labels": "wrong labels in the training data",
    "shortcut": "a shortcut the data invites",
    "duplicates": "duplicated training rows",
    "underweighted": "too little weight on data that is there",
    "missing_data": "missing data",
    "capacity": "a model too small for it",
    "unknown": "undecided by the evidence",
}
_MOST_CHARACTERS = 700
"""Most characters of a text that is shown whole."""
ARMS = {
    "before": "Before",
    "challenger": "The fix",
    "every_step": "With the steps left out",
    "continue": "Same data, trained on",
    "random": "Random data instead",
    "stratified": "Equal shares of all slices",
    "bm25": "Nearest by words (BM25)",
    "loss": "Rows of highest loss",
    "shuffled": "Same fix, other slices",
    "no_influence": "Fix without influence",
}
DECISIONS = {
    Decision.ACCEPTED: "Accepted",
    Decision.REJECTED: "Not accepted",
    Decision.RANDOM_IS_ENOUGH: "Random rows are enough",
    Decision.NOT_DATA: "Not the data",
    Decision.NOTHING_TO_DO: "Nothing to do",
    Decision.AWAITING_APPROVAL: "Waits for approval",
    Decision.NOT_APPROVED: "Not approved",
}


LOOK_ENDINGS = {
    Ending.ACCEPTED: "shown",
    Ending.HARMED: "harm is shown",
    Ending.FUTILE: "more seeds would hardly show it",
    Ending.LAST: "not shown; all seeds are trained",
    Ending.BUDGET: "not shown; the budget ended",
    Ending.GOES_ON: "not decided; more seeds were trained",
}


def number(value: float) -> str:
    """Write three decimals for scores, four digits for anything larger."""
    return _minus(f"{value:.3f}" if abs(value) < 10 else f"{value:,.4g}")


def signed(value: float) -> str:
    return _minus(f"{value:+.3f}" if abs(value) < 10 else f"{value:+,.4g}")


def interval(low: float, high: float) -> str:
    return f"[{number(low)}, {number(high)}]"


def signed_interval(low: float, high: float) -> str:
    return f"[{signed(low)}, {signed(high)}]"


def percent(share: float) -> str:
    if 0 < share < 0.01:
        return f"<{NBSP}1{NBSP}%"
    return f"{100 * share:.0f}{NBSP}%"


def p_value(p: float) -> str:
    return f"p{NBSP}<{NBSP}0.001" if p < 0.001 else f"p{NBSP}={NBSP}{p:.3f}"


def amount(value: float) -> str:
    """Write a count with its SI prefix: 950, 12.4 k, 3.1 M, ..."""
    for power, prefix in ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if value >= 0.9995 * 10**power:
            return f"{value / 10**power:.3g}{NBSP}{prefix}"
    return f"{value:.3g}"


def flops(value: float) -> str:
    text = amount(value)
    return f"{text}FLOP" if text[-1].isalpha() else f"{text}{NBSP}FLOP"


def duration(seconds: float) -> str:
    if seconds < 59.5:
        return f"{seconds:.1f}{NBSP}s" if seconds < 9.95 else f"{seconds:.0f}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NBSP}min {rest:02d}{NBSP}s"
    return f"{minutes // 60}{NBSP}h {minutes % 60:02d}{NBSP}min"


def excerpt(text: str) -> str:
    """Keep start and end of a long text; the question of a few-shot prompt is at the end."""
    head, tail = excerpt_ends(text)
    return text if head == tail else f"{text[:head]}{left_out(tail - head)}{text[tail:]}"


def excerpt_ends(text: str) -> tuple[int, int]:
    """Begin and end of the part that is left out."""
    if len(text) <= _MOST_CHARACTERS:
        return len(text), len(text)
    head = _MOST_CHARACTERS // 3
    return head, len(text) - (_MOST_CHARACTERS - head)


def left_out(num_characters: int, more: str = "") -> str:
    return f"\n… {num_characters:,} characters left out{more} …\n"


def slice_words(where: Mapping[str, str]) -> str:
    return str(Slice(tuple(where.items())))


def items_words(where: Mapping[str, str]) -> str:
    """Name a slice of evaluation items as a noun."""
    if set(where) == {PROMPT_CONTAINS}:
        return f"prompts with “{where[PROMPT_CONTAINS]}”"
    return f"items with {slice_words(where)}" if where else "all kinds of items"


def items_title(where: Mapping[str, str]) -> str:
    """Name a slice of evaluation items at the start of a sentence."""
    text = items_words(where)
    return text[:1].upper() + text[1:]


def decisive(result: LoopResult) -> Round | None:
    """Round that the headline is about: the one that waits for approval, else the last accepted one, else the last that
    trained, else the last."""
    if result.status == "waiting":
        return result.rounds[-1]
    accepted = [r for r in result.rounds if r.verdict.champion_arm or r.verdict.decision is Decision.ACCEPTED]
    trained = [r for r in result.rounds if r.verdict.arms]
    return next((rounds[-1] for rounds in (accepted, trained, result.rounds) if rounds), None)


def headline(result: LoopResult) -> str:
    decided = decisive(result)
    if decided is None and result.status == "running":
        return "The first round is under way"
    if decided is None:
        return "The run ended before its first round was complete"
    finding = first_finding(decided)
    failing = items_title(finding.slice) if finding else "The evaluation"
    if decided.verdict.decision is Decision.ACCEPTED:
        endpoint = decided.verdict.endpoint
        failing = items_title(endpoint.slice) if endpoint is not None else failing  # whose score it is
        return f"{failing} {_rose(decided.verdict)}{_confirmation(result.sealed)}"
    if decided.verdict.decision is Decision.NOTHING_TO_DO and finding is None:
        return "Nothing failed that data could mend"
    if finding is not None and finding.cause == "contamination":
        return "Some of the success was not to be believed: evaluation items stood in the training data"
    return {
        Decision.REJECTED: f"{failing} failed, and {_why_not(decided.verdict)}",
        Decision.RANDOM_IS_ENOUGH: f"{failing} failed, and {_enough(decided.verdict)}",
        Decision.NOT_DATA: f"{failing} failed, and data is not the reason",
        Decision.AWAITING_APPROVAL: f"{failing} failed; a plan to mend that waits for approval",
        Decision.NOT_APPROVED: f"{failing} failed; a plan to mend that was not approved",
        Decision.NOTHING_TO_DO: f"{failing} failed, and there is nothing to change",
    }[decided.verdict.decision]


def wrong(measure: Measure, findings: Sequence[FindingRecord]) -> str:
    """Say what was wrong."""
    if not findings:
        return f"{measure.num_failed:,} of {measure.num_items:,} items failed, in no slice that stands out."
    finding, others = findings[0], len(findings) - 1
    more = f" {others} more {'finding' if others == 1 else 'findings'} below." if others else ""
    return (
        f"{percent(finding.failure_rate)} of {finding.num_items:,} {items_words(finding.slice)} failed. "
        f"{_causes(finding)}{more}"
    )


def _causes(finding: FindingRecord) -> str:
    if shown := finding.shown_causes:
        return f"Small trainings show {len(shown)} causes: {' and '.join(map(cause_words, shown))}."
    return f"Most likely cause: {cause_words(finding.cause)} ({percent(finding.cause_probability)})."


def changed(round_: Round) -> str:
    """Say what was changed."""
    if not round_.plan.actions:
        return f"Nothing. {sentence(round_.plan.reason)}"
    prefix = {
        Decision.REJECTED: "Tried and not kept: ",
        Decision.RANDOM_IS_ENOUGH: "Tried, and not shown to mend more than random rows: ",
        Decision.AWAITING_APPROVAL: "Proposed: ",
        Decision.NOT_APPROVED: "Proposed and not approved: ",
    }.get(round_.verdict.decision, "")
    return prefix + " ".join(
        f"{action.kind.capitalize()}, {changes(action)}: training rows where {slice_words(action.slice)}, "
        f"{percent(action.share)} of the draws."
        for action in round_.plan.actions
    )


def held(round_: Round, sealed: Sealed | None) -> str:
    """Say whether it held."""
    verdict = round_.verdict
    if verdict.gain is None:
        if verdict.decision is Decision.AWAITING_APPROVAL:
            return "Not known: nothing is trained before the plan is approved."
        return "Nothing was compared." if verdict.arms else "Nothing was trained."
    gain = verdict.gain
    text = (
        f"{signed(gain.mean)} {signed_interval(*gain.ci)} against the hardest control, "
        f"“{arm_words(gain.control)}” ({p_value(gain.p)})."
    )
    broken = [guard.task for guard in verdict.guards if not guard.ok]
    if broken:
        text += f" Not shown unharmed: {', '.join(broken)}."
    elif verdict.guards:
        text += " Every guard is shown unharmed."
    if harmed := [slice_words(group.slice) for group in verdict.groups if group.is_harmed]:
        text += f" Shown to lose much: {', '.join(harmed)}."
    if sealed is not None:
        text += f" On items that nothing had seen: {signed(sealed.gain)}, {sealed.claim}."
    return text


def spent(total: Cost) -> str:
    """Say what it cost."""
    return f"{duration(total.seconds)} of work, {amount(total.tokens)} tokens, {flops(total.flops)}."


def halved(measure: Measure) -> list[str]:
    """Tasks whose scores do not lie between 0 and 1, as likelihoods."""
    return [one.task for one in measure.scores if not one.slice and not 0 <= one.score.mean <= 1]


def nearest_words(finding: FindingRecord) -> str:
    """Describe the nearest rows; empty where a predicate defines the data slice, or there is none."""
    if not finding.data_slices or (near := finding.data_slices[0].nearness) is None:
        return ""
    first = finding.data_slices[0]
    return (
        "No field, source or words tell the rows that teach what these items ask. In their place stand the "
        f"{first.num_examples:,} rows of the corpus and {first.num_pool:,} of the pool that lie nearest to the failed "
        f"items by {listed(near.views)}. The score of a row is the share of the failed items that lie no nearer to "
        "each other."
    )


def total_cost(costs: Mapping[str, Cost]) -> Cost:
    """Add up the costs of all stages."""
    every = costs.values()
    return Cost(sum(c.seconds for c in every), sum(c.tokens for c in every), sum(c.flops for c in every))


def first_finding(round_: Round) -> FindingRecord | None:
    return round_.diagnosis.findings[0] if round_.diagnosis.findings else None


def cause_words(cause: str) -> str:
    return CAUSES.get(cause, cause.replace("_", " "))


def arm_words(name: str) -> str:
    if name.startswith(WITHOUT):
        return f"The fix without {name.removeprefix(WITHOUT)}"
    control = name.removesuffix(AT_COMPUTE)
    if (source := source_of(control)) is not None:
        words = f"Any rows of {source}"
    elif control in ARMS:
        words = ARMS[control]
    else:
        return name
    return words + (", same compute" if control != name else "")


def listed(names: Sequence[str]) -> str:
    """Join names, at least one, with commas and a last "and"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def sentence(text: str) -> str:
    """Write a text with a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) or not text else ".")


def _rose(verdict: VerdictRecord) -> str:
    before, after = verdict.arms.get("before"), verdict.arms.get("challenger")
    if before is None or after is None:
        return "improved"
    return f"rose from {number(before.score)} to {number(after.score)}"


def _enough(verdict: VerdictRecord) -> str:
    if verdict.champion_arm == CHALLENGER:
        return "random data mends that as well as the fix, but not without harm: the fix goes on"
    return "random data mends that as well as the fix"


def _why_not(verdict: VerdictRecord) -> str:
    beaten = {gain.control for gain in verdict.gains if verdict.alpha and gain.p < verdict.alpha}
    if any(group.is_harmed for group in verdict.groups):
        return "the fix that was tried ruins other items of the tasks"
    if verdict.gains and len(beaten) == len(verdict.gains) and not all(guard.ok for guard in verdict.guards):
        return "the fix that helps is not shown to leave the guards unharmed"
    if verdict.gain is not None and verdict.gain.control not in beaten and "continue" in beaten:
        return f"the fix helps, but is not shown to do better than “{arm_words(verdict.gain.control)}”"
    return "the fix that was tried is not shown to help"


def _confirmation(sealed: Sealed | None) -> str:
    if sealed is None:
        return ""
    if sealed.claim == "confirmed":
        return ", confirmed on items that nothing had seen"
    return ", but items that nothing had seen do not confirm it"


def changes(action: ActionRecord) -> str:
    """Count the rows that an action touches, in words."""
    counts = (
        (action.num_added, "added"),
        (action.num_removed, "removed"),
        (action.num_reweighted, "reweighted"),
    )
    parts = [f"{count:,} {'row' if count == 1 else 'rows'} {verb}" for count, verb in counts if count]
    return ", ".join(parts) or "no row"


def _minus(text: str) -> str:
    """Use the true minus sign, and none on a zero."""
    return text.lstrip("-") if text.strip("-0.") == "" else text.replace("-", "−")
