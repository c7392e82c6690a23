"""The verdict with one look and that with several, on the same trainings of a whole loop.

    python scripts/bench_one_look.py experiment=scan_jump corpus.root=FOLDER [KEY=VALUE ...] [--seeds 8]
    python scripts/bench_one_look.py --table [FILE]

The words are those of `evalmend loop`; `verify.seeds=3`, `verify.max_seeds=8` and `budget.rounds=1` are set. The loop
is played, then the arms of its fix are trained with all eight seeds (`--seeds`), also where the judgement ended before,
and judged at 3, 5 and 8 of them in both ways: as without `verify.max_seeds`, where the arms that train on the same rows
share one run variance and the whole level is spent at once, and as a look of several, where each arm has its own.
Stages are kept in the loop's folder, so a stopped run goes on. On SCAN, reckoned from the parts, a quarter of an
hour of one core, ten minutes with `--seeds 3` where the judgement ends there.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from controller.cli.compose import composed
from controller.engine import logs
from controller.engine.versions import code_version
from controller.loop.loop import run_loop
from controller.loop.models import measure_model
from controller.loop.run import Run
from controller.loop.studies.study import JudgedFix
from controller.loop.trial.mixes import Account, MixTrial, challenger_mix, control_trials, fix_recipe, try_mixes
from controller.results.arm_names import CHALLENGER, RANDOM
from controller.results.loop_json import Round
from controller.results.verdict_json import Decision, Ending, Gain
from controller.verdict.arm_scores import Arm
from controller.verdict.judge import Contest, judge
from controller.verdict.ruling import At
from evals.splits import Split

OUT = Path(__file__).parents[1] / "docs" / "proof" / "scan_jump" / "looks.json"
SETTINGS = ("verify.seeds=3", "verify.max_seeds=8", "budget.rounds=1")
NAME = "one_look"
"""Name of the study in `Round.studies`."""
MOST_WIDE = 0.75
"""Width of an interval against random rows, asked, over that with one look."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a verdict says of some seeds."""

    decision: Decision
    reason: str
    level: float
    gains: tuple[Gain, ...]
    """Gain over every control."""
    ending: Ending
    """Why a judgement ends here, or that it goes on."""

    def width(self, control: str) -> float:
        """Width of the 95 % interval of the gain over a control."""
        low, high = next(gain.ci for gain in self.gains if gain.control == control)
        return high - low


@dataclass(frozen=True, slots=True)
class AtSeeds:
    """Both verdicts on the first seeds of every arm."""

    num_seeds: int
    one_look: Shown
    looks: Shown


@dataclass(frozen=True, slots=True)
class SameRuns:
    code_version: str
    words: tuple[str, ...]
    decision: Decision
    """The loop's own."""
    num_seeds: int
    """Seeds of each arm when its judgement ended."""
    at: tuple[AtSeeds, ...]
    scores: dict[str, tuple[float, ...]]
    """Score on the endpoint of each training, by arm."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="as of evalmend loop")
    parser.add_argument(
        "--seeds", type=int, default=8, help="train so many of each arm where the judgement ended before"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", nargs="?", type=Path, const=OUT, help="of what is kept; nothing is run")
    options = parser.parse_args()
    logs.quiet_libraries()
    if options.table is None:
        options.out.write_bytes(TypeAdapter(SameRuns).dump_json(play(options.words, options.seeds), indent=1) + b"\n")
    for line in table(TypeAdapter(SameRuns).validate_json((options.table or options.out).read_bytes())):
        print(line)


def play(words: Sequence[str], most_seeds: int) -> SameRuns:
    """The loop, and both verdicts on so many seeds of its fix, or on as many as its judgement had."""
    study = BothVerdicts(most_seeds)
    loop = run_loop(composed([*words, *SETTINGS]), None, studies=[study], opens_sealed=False)
    (played,) = loop.rounds
    if NAME not in played.studies:
        raise SystemExit(f"no fix was judged whole: {played.verdict.reason}")
    at, scores = played.studies[NAME]
    # A folder of data is another one on each machine.
    told = tuple(word for word in words if not word.startswith(("corpus.root=", "run_dir=", "workers=")))
    num_seeds = max(look.num_seeds for look in played.verdict.looks)
    return SameRuns(code_version(), told, played.verdict.decision, num_seeds, at, scores)


@dataclass(frozen=True, slots=True)
class BothVerdicts:
    """Judges the fix in both ways at each look that has no more seeds than this, or than the judgement had."""

    most_seeds: int

    def describe(self, run: Run, fix: JudgedFix, played: Round) -> Round:
        settings, plan = run.settings.verify, fix_recipe(run, fix.proposal)
        looks = settings.looks(fix.agreed.alpha)
        assert looks is not None, "the settings allow more than one look"
        of_fix = MixTrial(CHALLENGER, (challenger_mix(fix.proposal),), plan)
        trials = [of_fix, *control_trials(settings.controls, fix.proposal, plan)]
        account = Account("both verdicts", "train", "verify")
        num_judged = max(look.num_seeds for look in played.verdict.looks)
        most = max(seeds for seeds in looks.seeds if seeds <= max(self.most_seeds, num_judged))
        tried = try_mixes(run, fix.proposal, trials, fix.number, account, range(most))
        before = measure_model(run, fix.champion, Split.SELECT, "measure-select").report

        def shown(arms: Sequence[Arm], at: At | None) -> Shown:
            judged = judge(Contest(fix.agreed, arms[0], arms[1:], before, settings), at)
            verdict = judged.verdict
            assert verdict.alpha is not None, "a fix that was judged has a level"
            return Shown(verdict.decision, verdict.reason, verdict.alpha, verdict.gains, judged.ending)

        found = []
        for look, num_seeds in enumerate(seeds for seeds in looks.seeds if seeds <= most):
            arms = [replace(one.arm, reports=one.reports[:num_seeds]) for one in tried]
            found.append(AtSeeds(num_seeds, shown(arms, None), shown(arms, At(looks, look))))
        last = judge(Contest(fix.agreed, tried[0].arm, [one.arm for one in tried[1:]], before, settings)).verdict
        scores = {name: last.arms[name].seeds for name in (one.trial.name for one in tried)}
        return replace(played, studies={**played.studies, NAME: (tuple(found), scores)})


def table(result: SameRuns) -> Iterator[str]:
    """A line for each number of seeds."""
    yield f"`{' '.join(result.words)}`, code version `{result.code_version}`: the judgement with looks ended after "
    yield f"{result.num_seeds} seeds of each arm, {result.decision.value}."
    yield ""
    yield "| seeds | one look: gain over `random` | decision | of several looks | decision | width, several over one |"
    yield "|" + "---|" * 6
    for at in result.at:
        told = [f"{_gain(one)} at {one.level:.4f} | {one.decision.value}" for one in (at.one_look, at.looks)]
        ratio = at.looks.width(RANDOM) / at.one_look.width(RANDOM)
        yield f"| {at.num_seeds} | {' | '.join(told)} | {ratio:.2f} ({MOST_WIDE} asked) |"
    ended = next(at for at in result.at if at.num_seeds == result.num_seeds)
    ratio = ended.looks.width(RANDOM) / result.at[-1].one_look.width(RANDOM)
    yield ""
    yield f"Where the judgement ended over one look at {result.at[-1].num_seeds} seeds: {ratio:.2f}."


def _gain(shown: Shown) -> str:
    gain = next(gain for gain in shown.gains if gain.control == RANDOM)
    return f"{gain.mean:+.3f} [{gain.ci[0]:+.3f}, {gain.ci[1]:+.3f}]"


if __name__ == "__main__":
    main()
