"""A result in words: the headline, and numbers with the digits that a reader can use."""

from collections.abc import Mapping

from controller.result import Cost, Decision, FindingRecord, LoopResult, Round, Sealed, VerdictRecord
from diagnose.slices import Slice

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
ARMS = {
    "before": "Before",
    "challenger": "The fix",
    "continue": "Same data, trained on",
    "random": "Random data instead",
    "compute": "Same FLOPs, same data",
}
DECISIONS = {
    Decision.ACCEPTED: "Accepted",
    Decision.REJECTED: "Not accepted",
    Decision.NOT_DATA: "Not the data",
    Decision.NOTHING_TO_DO: "Nothing to do",
    Decision.AWAITING_APPROVAL: "Waits for approval",
}


def number(value: float) -> str:
    """Three decimals for scores, four digits for anything larger."""
    return _minus(f"{value:.3f}" if abs(value) < 10 else f"{value:,.4g}")


def signed(value: float) -> str:
    return _minus(f"{value:+.3f}" if abs(value) < 10 else f"{value:+,.4g}")


def interval(low: float, high: float) -> str:
    return f"[{number(low)}, {number(high)}]"


def signed_interval(low: float, high: float) -> str:
    return f"[{signed(low)}, {signed(high)}]"


def percent(share: float) -> str:
    if 0 < share < 0.01:
        return "< 1 %"
    return f"{100 * share:.0f} %"


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def amount(value: float) -> str:
    """A count with its SI prefix: 950, 12.4 k, 3.1 M, ..."""
    for power, prefix in ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if value >= 0.9995 * 10**power:
            return f"{value / 10**power:.3g} {prefix}"
    return f"{value:.3g}"


def flops(value: float) -> str:
    text = amount(value)
    return f"{text}FLOP" if text[-1].isalpha() else f"{text} FLOP"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def excerpt(text: str, most: int = 700) -> str:
    """Start and end of a long text: of a few-shot prompt the question stands at the end."""
    if len(text) <= most:
        return text
    left_out = len(text) - most
    return f"{text[: most // 3]}\n… {left_out:,} characters left out …\n{text[-(most - most // 3) :]}"


def slice_words(where: Mapping[str, str]) -> str:
    return str(Slice(tuple(where.items())))


def decisive(result: LoopResult) -> Round | None:
    """The round that the headline is about: the last accepted one, else the last that decided something."""
    accepted = [r for r in result.rounds if r.verdict.decision is Decision.ACCEPTED]
    trained = [r for r in result.rounds if r.verdict.arms]
    for rounds in (accepted, trained, list(result.rounds)):
        if rounds:
            return rounds[-1]
    return None


def headline(result: LoopResult) -> str:
    decided = decisive(result)
    if decided is None:
        return "The run ended before its first round was complete"
    finding = first_finding(decided)
    failing = f"“{slice_words(finding.slice)}”" if finding else "The evaluation"
    verdict = decided.verdict
    if verdict.decision is Decision.ACCEPTED:
        return f"{failing} was mended{_from_to(verdict)}"
    if verdict.decision is Decision.REJECTED:
        return f"{failing} fails, and the fix that was tried is not shown to help"
    if verdict.decision is Decision.NOT_DATA:
        return f"{failing} fails, and data is not the reason"
    if verdict.decision is Decision.AWAITING_APPROVAL:
        return f"{failing} fails; a plan to mend it waits for approval"
    if finding and finding.cause == "contamination":
        return "Some of the success was not to be believed: evaluation items stood in the training data"
    return (
        f"{failing} fails, and there is nothing to change"
        if finding
        else "Nothing failed that data could mend"
    )


def wrong(round_: Round) -> str:
    """What was wrong."""
    finding = first_finding(round_)
    if finding is None:
        return f"{round_.measure.num_failed:,} of {round_.measure.num_items:,} items failed, in no slice that stands out."
    others = len(round_.diagnosis.findings) - 1
    more = f" {others} more {'finding' if others == 1 else 'findings'} below." if others else ""
    return (
        f"{percent(finding.failure_rate)} of the {finding.num_items:,} items in “{slice_words(finding.slice)}” "
        f"failed. Most likely cause: {cause_words(finding.cause)} ({percent(finding.cause_probability)}).{more}"
    )


def changed(round_: Round) -> str:
    """What was changed."""
    if not round_.plan.actions:
        return f"Nothing. {sentence(round_.plan.reason)}"
    return " ".join(
        f"{action.kind.capitalize()} on “{slice_words(action.slice)}”: {_changes(action.num_added, action.num_removed, action.num_reweighted)}, "
        f"{percent(action.share)} of the draws."
        for action in round_.plan.actions
    )


def held(round_: Round, sealed: Sealed | None) -> str:
    """Whether it held."""
    verdict = round_.verdict
    if verdict.gain is None:
        return "Nothing was trained, so there is nothing to hold."
    gain = verdict.gain
    text = (
        f"{signed(gain.mean)} {signed_interval(*gain.ci)} against “{arm_words(gain.control)}”, the hardest control "
        f"({p_value(gain.p)})."
    )
    broken = [guard.task for guard in verdict.guards if not guard.ok]
    if broken:
        text += f" Not shown unharmed: {', '.join(broken)}."
    elif verdict.guards:
        text += " Every guard is shown unharmed."
    if sealed is not None:
        text += f" On items that nothing had seen: {signed(sealed.gain.mean)}, {sealed.claim}."
    return text


def spent(result: LoopResult) -> str:
    """At what cost."""
    total = total_cost(result)
    return f"{duration(total.seconds)}, {amount(total.tokens)} tokens, {flops(total.flops)}."


def total_cost(result: LoopResult) -> Cost:
    costs = result.costs.values()
    return Cost(sum(c.seconds for c in costs), sum(c.tokens for c in costs), sum(c.flops for c in costs))


def first_finding(round_: Round) -> FindingRecord | None:
    return round_.diagnosis.findings[0] if round_.diagnosis.findings else None


def cause_words(cause: str) -> str:
    return CAUSES.get(cause, cause.replace("_", " "))


def arm_words(name: str) -> str:
    return ARMS.get(name, name)


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) or not text else ".")


def _from_to(verdict: VerdictRecord) -> str:
    before, after = verdict.arms.get("before"), verdict.arms.get("challenger")
    return f": {number(before.score)} before, {number(after.score)} after" if before and after else ""


def _changes(added: int, removed: int, reweighted: int) -> str:
    parts = [
        f"{count:,} {'row' if count == 1 else 'rows'} {verb}"
        for count, verb in ((added, "added"), (removed, "removed"), (reweighted, "reweighted"))
        if count
    ]
    return ", ".join(parts) or "no row"


def _minus(text: str) -> str:
    """With the true minus sign, and none on a zero."""
    return text.lstrip("-") if text.strip("-0.") == "" else text.replace("-", "−")
