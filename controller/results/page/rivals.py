"""Say what did as well as attribution or the fix, what did not, and whether the loop pays at equal compute."""

from collections.abc import Sequence

from controller.results.arm_names import AT_COMPUTE
from controller.results.diagnosis_json import FindingRecord
from controller.results.loop_json import Round
from controller.results.page.words.numbers import flops, number
from controller.results.page.words.sentences import arm_words
from controller.results.page.words.texts import listed
from controller.results.verdict_json import Gain, VerdictRecord
from diagnose.slices.predicate import Slice

_CONTROLS = {"bm25": "BM25 scores", "hidden": "hidden states", "loss": "plain losses"}


def against(verdict: VerdictRecord) -> str:
    """Name the controls that the fix beat and the others, the hardest first; empty where nothing was compared."""
    if verdict.alpha is None or not verdict.gains:
        return ""
    hardest_first = sorted(verdict.gains, key=lambda gain: -gain.p)
    beaten = [gain for gain in hardest_first if gain.p < verdict.alpha]
    better = [gain for gain in hardest_first if gain.ci[1] < 0]
    level = [gain for gain in hardest_first if gain not in beaten and gain not in better]
    parts = []
    if len(beaten) == len(verdict.gains):
        parts.append("The fix did better than every control.")
    elif beaten:
        parts.append(f"The fix did better than {_listed(beaten)}.")
    if level:
        parts.append(f"It is not shown better than {_listed(level)}.")
    if better:
        parts.append(f"It did worse than {_listed(better)}.")
    return " ".join(parts)


def named_alike(finding: FindingRecord) -> str:
    """Name the cheaper scores that give the same data slice, and what others give; empty where none was computed."""
    if not finding.named_by or not finding.data_slice:
        return ""
    own = str(Slice(tuple(finding.data_slice.items())))
    named = {_CONTROLS.get(name, name): where for name, where in finding.named_by.items()}
    alike = [name for name, where in named.items() if where == own]
    others = [f"{name} name {where or 'nothing'}" for name, where in named.items() if where != own]
    parts = []
    if alike:
        names = " and ".join(alike)
        parts.append(f"{names[:1].upper()}{names[1:]} name the same rows, for less than attribution costs.")
    if others:
        parts.append(f"By the same rule {'; '.join(others)}.")
    return " ".join(parts)


def pays(round_: Round) -> str:
    """Say whether the compute for finding the data paid off; empty without an arm at equal compute."""
    verdict = round_.verdict
    gains = [gain for gain in verdict.gains if gain.control.endswith(AT_COMPUTE)]
    challenger = verdict.arms.get("challenger")
    if verdict.alpha is None or not gains or challenger is None:
        return ""
    hardest = max(gains, key=lambda gain: gain.p)
    rival = verdict.arms[hardest.control]
    found = sum(cost.flops for name, cost in round_.costs.items() if name in ("diagnose", "propose"))
    cost = f"Finding the data took {flops(found)}, one training of the fix {flops(challenger.flops)}."
    scores = f"“{arm_words(hardest.control)}” scored {number(rival.score)}, the fix {number(challenger.score)}"
    if hardest.p < verdict.alpha:
        pays_against = f"{cost} Of the controls with both together the hardest, {scores}: in compute, the loop pays"
        cheaper = [gain for gain in verdict.gains if gain.p >= verdict.alpha]
        if cheaper:
            return f"{pays_against} against them, but not against {_listed(cheaper)}, which cost less than the fix."
        return f"{pays_against}."
    if hardest.ci[1] < 0:
        return (
            f"{cost} Trained for both together, {scores}: in compute, the loop does not pay here. It pays where data "
            "or its review is scarce, or where the model that is trained is much larger than the one that diagnoses."
        )
    return f"{cost} Trained for both together, {scores}: it is not shown that the loop pays in compute."


def _listed(gains: Sequence[Gain]) -> str:
    return listed([f"“{arm_words(gain.control)}”" for gain in gains])
