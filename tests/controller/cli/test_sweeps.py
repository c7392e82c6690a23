"""Jobs of a sweep: what each is told of itself, what it returns, and what becomes of the best."""

import json
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from builders.loop_results import accepted_round, loop_result, rejected_round

from controller.cli.compose import call_with_settings
from controller.cli.sweeps import Ended, constant_keys
from controller.results.loop_json import LoopResult
from controller.results.tracking.job import Job
from controller.results.verdict_json import Gain
from controller.settings import LoopSettings


def needs(package: str) -> pytest.MarkDecorator:
    try:
        is_missing = not version(package)
    except PackageNotFoundError:
        is_missing = True
    return pytest.mark.skipif(is_missing, reason=f"no {package}: pip install -c constraints.txt -e '.[sweep]'")


def gaining(gain: float, *, is_accepted: bool) -> LoopResult:
    """A loop with this gain."""
    round_ = accepted_round() if is_accepted else rejected_round()
    won = Gain(gain, (gain - 0.02, gain + 0.02), 0.01, "random")
    return loop_result(replace(round_, verdict=replace(round_.verdict, gain=won)))


@dataclass
class Plays:
    """A verb whose gain is a known function of its settings, and which keeps what it was called with."""

    is_accepted: bool = True
    jobs: list[Job] = field(default_factory=list)
    __name__ = "loop"

    def __call__(self, settings: LoopSettings, job: Job) -> Ended:
        self.jobs.append(job)
        gain = 0.5 - abs(settings.seed - 3) / 10
        return Ended(0, gaining(gain, is_accepted=self.is_accepted), f"runs/{settings.seed}")


def play_smoothly(settings: LoopSettings, job: Job) -> Ended:
    """A verb with its largest gain at a margin of .2."""
    del job
    return Ended(0, gaining(0.5 - (settings.verify.margin - 0.2) ** 2, is_accepted=False), "runs/any")


def trials(folder: Path) -> list[dict[str, object]]:
    (path,) = folder.glob("runs/sweeps/*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_job_knows_what_was_swept_what_was_chosen_and_the_command_that_does_it_alone() -> None:
    verb = Plays()
    words = ["--multirun", "experiment=smoke", "seed=1,2", "interventions=reweight,retrieve", "verify.seeds=3"]
    assert call_with_settings(verb, LoopSettings, words) == 0
    swept = [job.swept for job in verb.jobs if job.sweep is not None]
    assert sorted(swept) == sorted(
        (f"seed={seed}", f"interventions={fix}") for seed in (1, 2) for fix in ("reweight", "retrieve")
    )
    (job,) = [job for job in verb.jobs if job.swept == ("seed=2", "interventions=reweight")]
    assert set(job.command.split()) == {*words[1:2], "verify.seeds=3", "evalmend", "loop", *job.swept}
    assert job.choices == {
        "experiment": "smoke",
        "corpus": "starter",
        "model": "scratch",
        "interventions": "reweight",
        "verify": "everyday",
    }
    assert len({job.sweep for job in verb.jobs if job.sweep is not None}) == 1


def test_a_command_alone_is_no_sweep() -> None:
    verb = Plays()
    call_with_settings(verb, LoopSettings, ["experiment=smoke", "seed=5"])
    assert [(job.sweep, job.swept) for job in verb.jobs] == [(None, ())]
    assert verb.jobs[0].command == "evalmend loop experiment=smoke seed=5"


def test_the_best_of_a_sweep_is_named_and_played_once_more_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = Plays()
    call_with_settings(verb, LoopSettings, ["--multirun", "experiment=smoke", "seed=1,2,4,9"])
    assert [trial["value"] for trial in trials(tmp_path)] == pytest.approx([0.3, 0.4, 0.4, -0.1])
    assert "best of 4 by gain: seed=2, in runs/2" in capsys.readouterr().out  # the first of the two that gain most
    again = verb.jobs[4:]
    assert [(job.sweep, job.command) for job in again] == [(None, "evalmend loop experiment=smoke seed=2")]


@pytest.mark.parametrize(("is_accepted", "sealed"), [(False, "best"), (True, "each"), (True, "none")])
def test_nothing_is_played_again_where_no_sealed_item_waits_for_the_best(is_accepted: bool, sealed: str) -> None:
    verb = Plays(is_accepted)
    call_with_settings(verb, LoopSettings, ["--multirun", "experiment=smoke", "seed=1,2", f"sweep.sealed={sealed}"])
    assert len(verb.jobs) == 2


def test_what_one_value_is_given_for_was_not_swept() -> None:
    words = ["seed=0,1", "verify.arms=[continue,random]", "interventions=auto", "train.learning_rate=interval(0,1)"]
    assert constant_keys(words) == {"verify.arms", "interventions"}


def test_an_objective_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'gain_low'"):
        call_with_settings(Plays(), LoopSettings, ["experiment=smoke", "sweep.objective=gain_lo"])


@needs("hydra-optuna-sweeper")
@pytest.mark.slow
def test_optuna_makes_the_objective_large(tmp_path: Path) -> None:
    words = ["--multirun", "experiment=smoke", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=25"]
    words += ["hydra.sweeper.sampler.seed=0", "hydra.sweeper.n_jobs=1", "verify.margin=interval(0.01,0.9)"]
    assert call_with_settings(play_smoothly, LoopSettings, words) == 0
    (results,) = tmp_path.glob("runs/sweeps/*/optimization_results.yaml")
    values = [float(str(trial["value"])) for trial in trials(tmp_path)]
    assert len(values) == 25
    assert f"best_value: {max(values)}" in results.read_text()
    assert max(values) > 0.5 - 0.05**2  # found within .05 of the best margin


@needs("hydra-joblib-launcher")
@pytest.mark.slow
def test_jobs_of_joblib_leave_their_trials_too(tmp_path: Path) -> None:
    words = ["--multirun", "experiment=smoke", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert call_with_settings(play_smoothly, LoopSettings, [*words, "verify.margin=0.1,0.2,0.3"]) == 0
    found = {str(trial["swept"]): trial["value"] for trial in trials(tmp_path)}
    assert found["['verify.margin=0.2']"] == pytest.approx(0.5)
    assert len(found) == 3
