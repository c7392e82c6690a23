"""Do small trainings put rival fixes of one cause in the order that full ones do, at equal tokens?

    python scripts/bench_fix_order.py --worlds skills shop --scenarios starved_skill --seeds 0 1
    python scripts/bench_fix_order.py --table [CODE VERSION]
    python scripts/bench_fix_order.py --worlds questions --scenarios starved_skill --set prove.data=FOLDER

A proving-ground world is planted, trained on and diagnosed once. For the first finding that at least two of `retrieve`,
`reweight` and `programs` can mend, the mix of each is made from that diagnosis, all other findings set aside, and
trained twice over: small, on a tenth of an arm's tokens with two seeds, as pilots are, and in full with the verdict's
three seeds. Small trainings are read on probe items by which no row was chosen, as the likelihood of the gold answers;
full ones by score on the finding's `select` items, with the verdict's comparison. A pair of fixes counts where the full
trainings tell the two apart: the 95 % interval of the difference excludes 0.

The recipe varies by seed (`prove.vary`). Everything is kept in `runs/fix-order`: a stopped run goes on. A file
of `--out` holds a line for each run of this code version; the table is of all of them. Two minutes a run on a core.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fix_order_readings import LENGTHS, Outcome, pairs_of
from fix_order_table import lines, pair_lines
from pydantic import TypeAdapter

from controller.cli.compose import composed_prove
from controller.engine import logs
from controller.engine.artifacts import Data
from controller.engine.budget import Spent
from controller.engine.hashes import hash_of
from controller.engine.runner import Done, Stage
from controller.engine.versions import code_version
from controller.engine.whole_file import write_whole
from controller.loop.diagnosing import DiagnosedRound, diagnose_round
from controller.loop.models import MeasuredModel, base_model, initial_model, measure_model
from controller.loop.pilots.bench import SEEDS
from controller.loop.pilots.readings import Readings, asked_finding, passing_items, trials_of
from controller.loop.proposing import ProposedRound, propose_round
from controller.loop.run import Run, opened
from controller.loop.trial.mixes import Account, MixTrial, challenger_mix, fix_recipe, mix_in, training_seed, try_mixes
from controller.prove.ground import loop_settings, write_ground
from controller.prove.planting import plant
from controller.prove.worlds import find_world
from controller.results.arm_names import CONTINUE
from controller.stages.diagnose import Settled, settle
from controller.stages.inputs import load_diagnosis
from controller.stages.model import Model
from controller.stages.retraining.pilot import AskedItems, ask_model, try_mix
from controller.train.recipe import Recipe, Tokens
from diagnose.diagnoser import FORWARD_SHARE
from diagnose.finding.finding import Cause, Finding
from evals.splits import Split
from interventions.fixes.programs import Programs
from interventions.fixes.retrieve import Retrieve
from interventions.fixes.reweight import Reweight, factor_needed
from interventions.plan.attempts import Attempts
from interventions.plan.step import PROGRAMS, RETRIEVE, REWEIGHT, Intervention
from interventions.planner import Auto

SCRIPTS = Path(__file__).parent
FIXES: dict[str, Intervention] = {
    RETRIEVE: Retrieve(),
    REWEIGHT: Reweight(),
    PROGRAMS: Programs(programs=str(SCRIPTS / "world_programs.py")),
}
OUT = SCRIPTS.parent / "docs" / "proof" / "fix_order"
LEAST_FAILED, LEAST_STEPS = 4, 8
"""Fewest failed items and fewest optimiser steps of a small training, as pilots have them."""
FIRST_PLACE = 90
"""Place of the small trainings' first seed among those of a round, as pilots have it."""


@dataclass(frozen=True, slots=True)
class Rivals:
    """Fixes of one finding, made from the same diagnosis."""

    finding: Finding
    proposals: dict[str, ProposedRound]
    whole: Recipe
    """Recipe of a full training, the same for all: as long as the longest of them would be by itself."""

    @property
    def mixes(self) -> dict[str, Data]:
        """Mix of the old data, and of each fix."""
        first = next(iter(self.proposals.values()))
        same = next(made for made in first.proposed.controls if made.name == CONTINUE)
        mixes = {CONTINUE: mix_in(first.artifact, CONTINUE, same.draws[0])}
        return mixes | {name: challenger_mix(proposal) for name, proposal in self.proposals.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--set", nargs="*", default=[], dest="overrides", metavar="KEY=VALUE", help="further keys of the proving ground"
    )
    parser.add_argument("--worlds", nargs="+", default=["skills"])
    parser.add_argument("--scenarios", nargs="+", default=["starved_skill"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--lengths", nargs="+", type=float, default=LENGTHS[:1], help="of small trainings")
    parser.add_argument("--work", type=Path, default=Path("runs/fix-order"))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", nargs="?", const=code_version(), help="code version whose table is only printed")
    options = parser.parse_args()
    logs.quiet_libraries()
    file = options.out / f"{options.table or code_version()}.jsonl"
    kept = {outcome.key: outcome for outcome in read_outcomes(file)}
    wanted = [(w, s, n) for n in options.seeds for s in options.scenarios for w in options.worlds]
    # A folder of data is another one on each machine.
    told = tuple(one for one in options.overrides if not one.startswith("prove.data="))
    for world, scenario, seed in [] if options.table else wanted:
        known = kept.get((world, scenario, seed, told))
        if known is not None and known.has(options.lengths):
            continue
        outcome = play(world, scenario, seed, options.overrides, told, options.lengths, options.work.absolute())
        kept[outcome.key] = outcome
        write_outcomes([*kept.values()], file)
        print(f"{world} {scenario} {seed} {' '.join(told)}: {outcome.slice or 'no two fixes'}", flush=True)
        for line in pair_lines(outcome):
            print(f"    {line}", flush=True)
    for line in lines([*kept.values()]):
        print(line)


def write_outcomes(outcomes: Sequence[Outcome], path: Path) -> None:
    """Replace the file, a line for each run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, b"".join(TypeAdapter(Outcome).dump_json(one) + b"\n" for one in outcomes))


def read_outcomes(path: Path) -> list[Outcome]:
    """Runs of one code version; none where there is no file."""
    text = path.read_text().splitlines() if path.is_file() else []
    return [TypeAdapter(Outcome).validate_json(line) for line in text]


def play(
    world_name: str,
    scenario: str,
    seed: int,
    overrides: Sequence[str],
    told: tuple[str, ...],
    lengths: Sequence[float],
    work: Path,
) -> Outcome:
    """One run, without a pair where no finding has two fixes.

    Args:
        overrides: Further keys of the proving ground.
        told: Those of them that say what is planted.
        lengths: Tokens of small trainings as a share of a full one's.
        work: Where everything is kept.
    """
    words = [f"world={world_name}", f"scenario={scenario}", f"seed={seed}", "verify=continue", "workers=1"]
    proving = composed_prove([*words, "prove.vary=true", *overrides])
    world = find_world(world_name, proving.prove.data)
    folder = work / f"{world_name}-{scenario}-{seed}-{hash_of(list(told))[:6]}"
    write_ground(plant(world, proving.prove.scenario, seed), world, folder / "given")
    with opened(loop_settings(proving, world, folder / "given", folder / "run"), folder / "run") as run:
        champion = initial_model(run, base_model(run))
        probe = measure_model(run, champion, Split.PROBE, "measure-probe")
        rivals = _rivals(run, champion, diagnose_round(run, champion, probe))
        if rivals is None:
            return Outcome(
                world_name, scenario, seed, told, "", "", "", 0, 0, (), {}, {}, (), code_version=code_version()
            )
        proposal, finding = next(iter(rivals.proposals.values())), rivals.finding
        select = measure_model(run, champion, Split.SELECT, "measure-select").report
        trials = [MixTrial(name, (challenger_mix(one),), rivals.whole) for name, one in rivals.proposals.items()]
        full = [one.arm for one in try_mixes(run, proposal, trials, 0, Account("full trainings", "train", "verify"))]
        small = {length: _small(run, champion, probe, rivals, length) for length in lengths}
    read = {length: trials_of(asked_finding(finding, probe.report.results), one) for length, one in small.items()}
    scores, rest, pairs = pairs_of(full, select, read, finding, run.suite.slices, tuple(run.loaded.tasks), seed)
    return Outcome(
        world=world_name,
        scenario=scenario,
        seed=seed,
        overrides=told,
        cause=finding.cause.value,
        slice=str(finding.slice),
        data_slice=str(finding.data_slice),
        num_failed=finding.num_failed,
        num_items=finding.num_items,
        preferred=_preferred(finding, list(rivals.proposals)),
        scores=scores,
        rest=rest,
        pairs=pairs,
        code_version=code_version(),
    )


def _rivals(run: Run, champion: Model, diagnosed: DiagnosedRound) -> Rivals | None:
    """Fixes of the first finding that has two; None without one."""
    for finding in diagnosed.diagnosis.attributed_findings:
        if len(finding.held_out) < LEAST_FAILED:
            continue
        alone = _alone(run, diagnosed, finding)
        proposals = {}
        for name, fix in FIXES.items():
            of_fix = replace(run, settings=replace(run.settings, interventions=fix))
            proposal = propose_round(of_fix, champion, alone, Attempts(), 0)
            if proposal.plan.actions:
                proposals[name] = proposal
        if len(proposals) > 1:
            recipes = [fix_recipe(run, proposal) for proposal in proposals.values()]
            return Rivals(finding, proposals, max(recipes, key=_num_tokens))
    return None


def _alone(run: Run, diagnosed: DiagnosedRound, finding: Finding) -> DiagnosedRound:
    """The diagnosis as if rows were missing in this finding, and no data could mend any other one."""
    found = tuple(
        Settled(one.slice, {Cause.MISSING_DATA if one.slice == finding.slice else Cause.CAPACITY: 1.0}, ())
        for one in diagnosed.diagnosis.findings
    )
    done = run.runner.do(Stage("settle", settle, (diagnosed.artifact, found)), None)
    return replace(diagnosed, diagnosis=load_diagnosis(done.folder), artifact=done.artifact)


def _num_tokens(whole: Recipe) -> int:
    assert isinstance(whole.length, Tokens), "arms are given their tokens"
    return whole.length.count


def _small(run: Run, champion: Model, probe: MeasuredModel, rivals: Rivals, length: float) -> Readings:
    """Train every mix small and read it, as pilots do.

    Args:
        length: Tokens of a training as a share of a full one's.
    """
    steps = run.settings.train.update.max_steps
    share = max(length, LEAST_STEPS / steps) if steps is not None else length
    most = max(1, round(share * _num_tokens(rivals.whole)))
    asked_of, passing = asked_finding(rivals.finding, probe.report.results), passing_items(probe.report.results)
    keys = tuple(dict.fromkeys([*asked_of.keys, *asked_of.rivals, *passing]))
    max_length, batch_tokens = run.settings.train.max_length, run.settings.diagnose.influence.batch_tokens
    asked = AskedItems(run.pinned_suite, keys, FORWARD_SHARE * most, most, max_length, batch_tokens)
    before = run.runner.do(Stage("ask-champion", ask_model, (champion, asked), champion.fills_cores), "pilots")
    how = replace(rivals.whole, length=Tokens(most))
    of_arms: dict[str, list[Done[Spent]]] = {name: [] for name in rivals.mixes}
    for place in range(SEEDS):
        seed = training_seed(run, 0, FIRST_PLACE + place)
        stages = [
            Stage(f"pilot-{name}-{seed}", try_mix, (champion, mix, how, seed, asked), champion.fills_cores)
            for name, mix in rivals.mixes.items()
        ]
        for name, done in zip(rivals.mixes, run.runner.do_all(stages, "pilots"), strict=True):
            of_arms[name].append(done)
    return Readings(asked, frozenset(passing), before, of_arms)


def _preferred(finding: Finding, made: Sequence[str]) -> tuple[str, ...]:
    """Fixes that were made in the order of `interventions=auto`."""
    is_raised_first = finding.cause is Cause.UNDERWEIGHTED and factor_needed(finding) <= Auto().max_factor
    order = (REWEIGHT, RETRIEVE, PROGRAMS) if is_raised_first else (RETRIEVE, PROGRAMS, REWEIGHT)
    return tuple(name for name in order if name in made)


if __name__ == "__main__":
    main()
