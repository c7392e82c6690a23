"""What fixes are worth in the world that is kept for judging them, from `prove.json` files.

    evalmend prove --multirun scenario=missing_skill,starved_skill,wrong_labels,shortcut,rare_in_pool world=tables \
        'seed=range(600,605)' 'verify.arms=[continue,random,stratified,bm25,shuffled]'
    evalmend prove --multirun scenario=missing_skill,wrong_labels world=tables 'seed=range(605,610)' \
        'verify.arms=[continue,random,stratified,bm25,shuffled]'
    evalmend prove --multirun scenario=duplicate_flood,forgetting_trap,two_defects world=tables 'seed=range(600,605)'
    evalmend prove --multirun scenario=no_pool world=tables 'seed=range(600,605)' \
        interventions.programs=scripts/world_programs.py
    evalmend prove --multirun scenario=format_shift,masked_end,short_training,wrong_gold,small_model world=tables \
        'seed=range(600,605)' prove.stop=diagnosis
    evalmend prove --multirun scenario=clean,leaked_eval world=tables 'seed=range(600,605)'
    python scripts/judge_fixes.py [FOLDER ...] [--version HASH] [--world tables] [--page docs/proving_ground.md] \
        [--picture docs/fixes.png]

Results in the folders (default `runs/prove`) are first copied to `docs/proof/prove/<code version>/`, where they are
kept; one code version is judged, by default the newest in the folders. Printed, put into the page and drawn.
Intervals are over seeds, by t.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from fixes_picture import COLOURS, draw_shares
from kept_results import PAGE, ROOT, RUNS, kept_of, order, put_into
from scipy import stats

from controller.prove.result import ProveResult
from controller.results.arm_names import CHALLENGER, CONTINUE, RANDOM
from evals.statistics.gap_share import SMALLEST_GAP

JUDGED = "tables"
BEGIN, END = "<!-- judge_fixes: begin -->", "<!-- judge_fixes: end -->"
ORACLE = "oracle"
HARD = (RANDOM, "stratified", "bm25", "shuffled")
"""Controls of which a fix has to beat the best."""
ASKED_TIMES = 2.5
"""The gain of random data, where rows of the skill are rare."""
ADVICE = {
    "format_shift": ("doc_to_target",),
    "masked_end": ("train.end_in_loss",),
    "short_training": ("train.num_train_epochs",),
    "wrong_gold": ("items reviewed",),
    "small_model": ("model.arch.hidden_size",),
}
"""Words of which the advice has one, by scenario whose cause is not the data."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[RUNS])
    parser.add_argument("--version")
    parser.add_argument("--world", default=JUDGED, help="another one is only printed")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "fixes.png")
    options = parser.parse_args()
    version, results = kept_of(options.folders, options.version, options.world)
    names = sorted({result.scenario for result in results}, key=order)
    by_scenario = {name: [result for result in results if result.scenario == name] for name in names}
    text = f"World `{options.world}`, code version `{version}`, {len(results)} runs.\n\n"
    text += "\n".join(lines(by_scenario))
    print(text)
    if options.world == JUDGED:
        draw_shares({name: _shares_by_arm(found) for name, found in _mended(by_scenario).items()}, options.picture)
        picture = os.path.relpath(options.picture, options.page.parent)
        text += f"\n\n![Share of the gap to the oracle by scenario and arm]({picture})"
        put_into(options.page, text, BEGIN, END)


def lines(by_scenario: dict[str, list[ProveResult]]) -> Iterator[str]:
    yield from _fixes(_mended(by_scenario))
    yield ""
    yield from _details(by_scenario)
    untouched = {name: found for name, found in by_scenario.items() if name in ADVICE}
    if untouched:
        yield ""
        yield from _advised(untouched)


def _mended(by_scenario: dict[str, list[ProveResult]]) -> dict[str, list[ProveResult]]:
    """Those in which there is a gap to close, and what was not stopped at the plan."""
    full = {name: [r for r in found if r.stopped_at is None] for name, found in by_scenario.items()}
    return {name: found for name, found in full.items() if any(result.oracle_tokens for result in found)}


def _fixes(by_scenario: dict[str, list[ProveResult]]) -> Iterator[str]:
    yield (
        "| scenario | seeds | what is done | share of the gap | tokens of the oracle's | over the best control "
        "| accepted | broke a guard |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for name, found in by_scenario.items():
        shares = sorted(_share(result, CHALLENGER) for result in found)
        tokens = [result.tokens / result.oracle_tokens for result in found if result.tokens and result.oracle_tokens]
        cells = [
            f"`{name}`",
            str(len(found)),
            ", ".join(dict.fromkeys(action for result in found for action in result.actions)),
            f"**{median(shares):.2f}** ({shares[0]:.2f} to {shares[-1]:.2f})",
            f"{100 * median(tokens):.0f} %" if tokens else "",
            _gain_over_controls(found),
            f"{sum(result.decision == 'accepted' for result in found)} of {len(found)}",
            str(sum(bool(result.guards_broken) for result in found)),
        ]
        yield f"| {' | '.join(cells)} |"


def _shares_by_arm(found: Sequence[ProveResult]) -> dict[str, list[float]]:
    return {arm: [_share(result, arm) for result in found if arm in result.scores] for arm in COLOURS}


def _share(result: ProveResult, arm: str) -> float:
    """Of the gap that the trained arm closes; of a fix, accepted or not: the verdict has a column of its own."""
    reached, start, oracle = (result.scores.get(name) for name in (arm, CONTINUE, ORACLE))
    if reached is None or start is None or oracle is None:
        return 0.0
    if oracle - start < SMALLEST_GAP:
        raise SystemExit(f"{result.scenario} {result.seed}: a gap of {oracle - start:.3f} is too small for a share")
    return (reached - start) / (oracle - start)


def _gain_over_controls(found: Sequence[ProveResult]) -> str:
    """Of each run against the control that is the best one there; told where `random` is the only one."""
    gains, trained = [], set[str]()
    for result in found:
        controls = [arm for arm in HARD if arm in result.scores]
        if CHALLENGER in result.scores and controls:
            gains.append(result.scores[CHALLENGER] - max(result.scores[arm] for arm in controls))
            trained.update(controls)
    return _interval(gains) + (" (`random` alone)" if trained == {RANDOM} else "")


def _details(by_scenario: dict[str, list[ProveResult]]) -> Iterator[str]:
    for name, found in by_scenario.items():
        trained = [r for r in found if {CHALLENGER, CONTINUE, RANDOM} <= set(r.scores)]
        if name == "rare_in_pool" and trained:
            gains = [_gain(result, CHALLENGER) for result in trained]
            random = [_gain(result, RANDOM) for result in trained]
            times = [gain - ASKED_TIMES * one for gain, one in zip(gains, random, strict=True)]
            yield (
                f"One row of the pool in twenty has the skill (`{name}`): gain {_interval(gains)}, of random data "
                f"{_interval(random)}; over {ASKED_TIMES} times the gain of random data: {_interval(times)}."
            )
        removals = [result.removal for result in found if result.removal is not None]
        if name == "wrong_labels" and removals:
            both, gone, wrong = (
                sum(getattr(removal, key) for removal in removals) for key in ("num_both", "num_removed", "num_wrong")
            )
            yield (
                f"`{name}`: of {wrong:,} wrong rows {both / max(wrong, 1):.1%} are found, of {gone:,} rows that leave "
                f"{both / max(gone, 1):.1%} are wrong; by seed at least "
                f"{min(r.num_both / max(r.num_wrong, 1) for r in removals):.1%} and "
                f"{min(r.num_both / max(r.num_removed, 1) for r in removals):.1%}."
            )
            against = [r.scores[CHALLENGER] - r.scores[ORACLE] for r in trained if ORACLE in r.scores]
            yield f"Against a training on the clean corpus: {_interval(against)} (non-inferior by .02 if above -.02)."


def _gain(result: ProveResult, arm: str) -> float:
    """Over the old data, trained on."""
    return result.scores[arm] - result.scores[CONTINUE]


def _advised(by_scenario: dict[str, list[ProveResult]]) -> Iterator[str]:
    yield "| scenario | seeds | rows changed | advice names the setting |"
    yield "|---|---|---|---|"
    for name, found in by_scenario.items():
        changed = sum(bool(result.actions) for result in found)
        told = sum(any(word in result.reason for word in ADVICE[name]) for result in found)
        yield f"| `{name}` | {len(found)} | in {changed} runs | {told} of {len(found)} |"


def _interval(values: Sequence[float]) -> str:
    """Mean and 95 % by t over seeds; of one seed its value alone."""
    if len(values) < 2:
        return "".join(f"{value:+.3f} (one seed)" for value in values)
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):+.3f} [{np.mean(values) - half:+.3f}, {np.mean(values) + half:+.3f}]"


if __name__ == "__main__":
    main()
