"""What a loop leaves at every moment, and what the end of one loop does to another: real loops on a small corpus."""

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from builders.fixes import RaiseSkill
from builders.toy import write_toy

from controller.cli.compose import composed
from controller.engine import budget
from controller.engine.errors import BudgetSpent
from controller.loop.loop import run_loop
from controller.results.events import Event, ItemsAnswered, LoopEnded, LoopOpened, ModelNamed, RoundEnded
from controller.results.loop_json import LoopResult, read_loop
from controller.settings import LoopSettings
from evals.splits import Split

pytestmark = pytest.mark.slow


@dataclass
class Hears:
    """A listener that keeps what it is told."""

    events: list[Event] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        self.events.append(event)


class DiesAfterARound:
    def hear(self, event: Event) -> None:
        if isinstance(event, RoundEnded):
            os.kill(os.getpid(), signal.SIGKILL)


def settings_in(folder: Path, *words: str) -> list[str]:
    folder.mkdir()
    return [*write_toy(folder), "budget.rounds=1", *words]


def with_a_fix(words: list[str]) -> LoopSettings:
    """Settings with a fix that acts whatever the cause."""
    return replace(composed(words), interventions=RaiseSkill())


def run_and_die(words: list[str]) -> None:
    run_loop(composed(words), None, listeners=[DiesAfterARound()])


def test_a_loop_killed_after_a_round_leaves_a_whole_loop_json_that_says_so(tmp_path: Path) -> None:
    words = settings_in(tmp_path / "a")
    process = multiprocessing.get_context("spawn").Process(target=run_and_die, args=(words,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    left = read_loop(tmp_path / "a" / "run")
    assert (left.status, len(left.rounds), left.stopped_because) == ("running", 1, "")
    assert (tmp_path / "a" / "run" / "report.html").is_file()
    assert (tmp_path / "a" / "run" / "items-probe.parquet").is_file()
    ended = run_loop(composed(words), None)
    assert (ended.status, ended.rounds) == ("ended", left.rounds)


def test_a_listener_is_told_each_step_in_its_order(tmp_path: Path) -> None:
    hears = Hears()
    result = run_loop(composed(settings_in(tmp_path / "a")), None, listeners=[hears])
    kinds = [type(event) for event in hears.events]
    assert kinds[:2] == [LoopOpened, ModelNamed]
    assert kinds[-2:] == [RoundEnded, LoopEnded]
    assert hears.events[-1] == LoopEnded(result)
    answered = [event for event in hears.events if isinstance(event, ItemsAnswered)]
    assert {event.split for event in answered} <= {Split.PROBE, Split.SELECT}
    assert answered[0].arm == "champion"


def test_a_loop_that_is_stopped_leaves_another_of_the_same_process_alone(tmp_path: Path) -> None:
    is_under_way, ended = threading.Event(), []

    class Waits:
        """Stops its loop while the other one has workers at work."""

        def hear(self, event: Event) -> None:
            if isinstance(event, ModelNamed):
                assert is_under_way.wait(300)
                raise RuntimeError("stopped by its listener")

    class Signals:
        def hear(self, event: Event) -> None:
            if isinstance(event, LoopOpened):
                is_under_way.set()

    def stopped() -> None:
        with pytest.raises(RuntimeError, match="stopped by its listener"):
            run_loop(first, None, listeners=[Waits()])

    first, second = composed(settings_in(tmp_path / "a")), composed(settings_in(tmp_path / "b"))
    other = threading.Thread(target=lambda: ended.append(run_loop(second, None, listeners=[Signals()])))
    one = threading.Thread(target=stopped)
    one.start()
    other.start()
    one.join()
    other.join()
    assert [result.status for result in ended] == ["ended"]
    assert not (tmp_path / "a" / "run" / "loop.json").exists()


def spent(result: LoopResult) -> tuple[int, float]:
    """Tokens of trainings, and all FLOPs."""
    trained = sum(result.costs[book].tokens for book in ("train_initial", "train") if book in result.costs)
    return trained, sum(cost.flops for cost in result.costs.values())


@pytest.mark.parametrize("limit", ["train_tokens", "flops"])
def test_a_loop_refuses_a_round_that_would_pass_its_budget_and_keeps_what_it_has(tmp_path: Path, limit: str) -> None:
    words = settings_in(tmp_path / "a")
    whole = spent(run_loop(with_a_fix(words), None))[limit == "flops"]
    most = 0.9 * whole
    short = [*words, f"budget.{limit}={round(most)}", f"run_dir={tmp_path / 'a' / 'short'}"]
    result = run_loop(with_a_fix(short), None)
    assert result.stopped_because.startswith(f"budget.{limit}: round 0 takes")
    assert 0 < spent(result)[limit == "flops"] <= most
    assert read_loop(tmp_path / "a" / "short") == result
    assert (tmp_path / "a" / "short" / "champion.json").is_file()


def test_a_loop_whose_time_is_over_stops_in_the_middle_and_goes_on_with_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = budget.time.monotonic
    words = [*settings_in(tmp_path / "a"), "budget.seconds=100000"]

    class JumpsAhead:
        """A day passes when round 0's model is there."""

        def hear(self, event: Event) -> None:
            if isinstance(event, ModelNamed):
                monkeypatch.setattr(budget.time, "monotonic", lambda: clock() + 100_000)

    result = run_loop(composed(words), None, listeners=[JumpsAhead()])
    assert result.stopped_because == "budget.seconds: 100000 s have passed"
    monkeypatch.undo()
    trained = sorted(path.name for path in (tmp_path / "a" / "run" / "stages").glob("train-initial-*"))
    again = run_loop(composed(words), None)
    assert len(again.rounds) == 1
    assert sorted(path.name for path in (tmp_path / "a" / "run" / "stages").glob("train-initial-*")) == trained


def test_no_round_is_begun_where_even_the_first_training_is_too_much(tmp_path: Path) -> None:
    words = [*settings_in(tmp_path / "a"), "train.tokens=5000", "train.max_steps=null", "budget.train_tokens=100"]
    with pytest.raises(BudgetSpent, match="the initial training takes 5000, 100 of 100 are left"):
        run_loop(composed(words), None)


def test_arms_that_retrain_from_the_given_model_start_from_new_weights_each_seed(tmp_path: Path) -> None:
    result = run_loop(with_a_fix([*settings_in(tmp_path / "a"), "train.start=base"]), None)
    built = list((tmp_path / "a" / "run" / "stages").glob("build-*"))
    assert result.rounds[0].verdict.arms
    assert len(built) == 4  # of the champion, and of each training seed
    assert "every arm retrains from the given model" in result.rounds[0].plan.reason
