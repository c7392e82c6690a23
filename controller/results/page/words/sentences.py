"""Put a result in words: the headline, what was wrong, what was changed and whether it held."""

from collections.abc import Mapping, Sequence

from controller.engine.budget import Cost
from controller.results.arm_names import AT_COMPUTE, CHALLENGER, WITHOUT
from controller.results.diagnosis_json import FindingRecord, Measure
from controller.results.loop_json import ActionRecord, LoopResult, Round, Sealed
from controller.results.page.words.labels import ARMS, cause_words
from controller.results.page.words.numbers import (
    amount,
    duration,
    flops,
    number,
    p_value,
    percent,
    signed,
    signed_interval,
)
from controller.results.page.words.texts import listed, sentence
from controller.results.verdict_json import Decision, VerdictRecord
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice
from interventions.controls import source_of


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


def answers(result: LoopResult) -> dict[str, str]:
    """Answers to the questions that a reader of the report comes with."""
    decided, found = decisive(result), {}
    if decided is not None:
        found = {
            "What was wrong": wrong(decided.measure, decided.diagnosis.findings),
            "What was changed": changed(decided),
            "Did it hold": held(decided, result.sealed),
        }
    return found | {"At what cost": spent(total_cost(result.costs))}


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
        return f"Most likely {len(shown)} causes at once: {' and '.join(map(cause_words, shown))}."
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
