"""Loops that wait for a person before they train, on a small corpus: approved as if nothing had been asked, rejected
without a training, and whole after a kill."""

import json
import multiprocessing
import os
import re
import shutil
import signal
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest
from builders.checkout import ROOT, journal
from builders.fixes import DropSkill, RaiseInTurn
from builders.toy import write_toy

from controller.cli.compose import composed
from controller.engine.journal.approvals import APPROVALS_FILE, decide, waiting
from controller.engine.journal.changes import change_of
from controller.loop.loop import run_loop
from controller.main import run
from controller.results.events import Event, Listener, LoopOpened, ProposalApproved
from controller.results.loop_json import LoopResult
from controller.results.tracking.job import Job
from controller.results.verdict_json import Decision
from interventions.plan.step import Intervention

pytestmark = pytest.mark.slow

SHORT = ["tracking.uri=none", "verify.seeds=2", "train.max_steps=10", "budget.rounds=2", "diagnose.pilots=never"]
ASK = "controller.approval=ask"


class Dies:
    """Dies once the trainings of an approved plan begin."""

    def hear(self, event: Event) -> None:
        if isinstance(event, ProposalApproved):
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Answers:
    """Approves what waits as soon as a loop works in the folder."""

    run_dir: Path

    def hear(self, event: Event) -> None:
        if isinstance(event, LoopOpened):
            assert decide(self.run_dir, "approved", "anna").is_new


def play(
    folder: Path, *words: str, listeners: tuple[Listener, ...] = (), fix: Intervention | None = None
) -> LoopResult:
    """The loop of the toy that was written to the folder, started there, whose fix raises one skill in each round if
    there is no other."""
    with chdir(folder):
        settings = composed([*(folder / "words").read_text().splitlines(), *SHORT, *words])
        return run_loop(replace(settings, interventions=fix or RaiseInTurn()), None, listeners=listeners)


def trainings(folder: Path) -> list[str]:
    """Names of the trainings of arms that were begun."""
    return [
        line["stage"].rpartition("-")[0]
        for line in journal(folder / "run")
        if line["event"] == "started" and re.match(r"train-(?!initial)", line["stage"])
    ]


def ends_alike(value: Any) -> Any:
    """A result without what differs between two runs of one loop: seconds, and that somebody was asked."""
    if isinstance(value, dict):
        return {key: ends_alike(one) for key, one in value.items() if key not in ("seconds", "approval", "overhead")}
    return [ends_alike(one) for one in value] if isinstance(value, list) else value


def loop_json(folder: Path) -> Any:
    """`loop.json` as it stands, which has to be of its schema."""
    text = (folder / "run" / "loop.json").read_text()
    jsonschema.validate(json.loads(text), json.loads((ROOT / "docs" / "loop.schema.json").read_text()))
    return json.loads(text)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the toy, in which nothing was played."""
    folder = tmp_path_factory.mktemp("toy")
    words = [word.replace(str(folder), ".") for word in write_toy(folder)]
    (folder / "words").write_text("\n".join(words))
    return folder


@pytest.fixture(scope="module")
def never_asked(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a loop of two rounds that asked nobody."""
    folder = shutil.copytree(toy, tmp_path_factory.mktemp("never") / "toy")
    play(folder)
    return folder


@pytest.fixture(scope="module")
def asked(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a loop whose first round waits."""
    folder = shutil.copytree(toy, tmp_path_factory.mktemp("asked") / "toy")
    play(folder, ASK)
    return folder


@pytest.fixture
def waits(asked: Path, tmp_path: Path) -> Path:
    """A copy of it to be changed."""
    return shutil.copytree(asked, tmp_path / "copy")


def test_a_loop_that_waits_has_trained_nothing_and_shows_what_it_asks(asked: Path) -> None:
    assert trainings(asked) == []
    assert not (asked / "ledger.jsonl").exists()  # no look is spent
    assert not (asked / "run" / "champion.json").exists()
    left = loop_json(asked)
    (round_,) = left["rounds"]
    assert (left["status"], round_["verdict"]["decision"]) == ("waiting", "awaiting_approval")
    question = waiting(asked / "run")
    assert question is not None
    assert (question.round, question.proposal) == (0, round_["approval"]["proposal"])
    assert round_["approval"]["num_trainings"] == 3 * 2  # the fix, continue and random
    assert round_["approval"]["answer"] is None
    assert round_["plan"]["endpoint"]["num_items"] > 0
    (source,) = round_["approval"]["sources"]
    mix = pq.read_table(asked / "run" / "mix-0.parquet").to_pylist()
    assert (source["num_rows"], source["num_added"], source["num_removed"]) == (len(mix), 0, 0) == (160, 0, 0)
    assert (asked / "run" / "blocked-0.jsonl").is_file()
    page = (asked / "run" / "report.html").read_text()
    assert page.index("Waits for approval") < page.index("Round 0 waits for approval") < page.index("<details")
    which = f"{asked / 'run'} round=0 proposal={question.proposal}"
    assert f"evalmend approve {which}" in page
    assert f"evalmend reject {which}" in page


def test_approved_each_round_a_loop_ends_as_one_that_never_asked(waits: Path, never_asked: Path) -> None:
    first = decide(waits / "run", "approved", "anna", "fine").answer
    again = play(waits, ASK)
    assert (again.status, len(again.rounds)) == ("waiting", 2)  # it asks for each round
    assert again.rounds[0].approval is not None
    assert again.rounds[0].approval.answer == first
    assert again.rounds[0].verdict.arms
    assert "Approved by anna" in (waits / "run" / "report.html").read_text()
    second = waiting(waits / "run")
    assert second is not None
    assert second.round == 1
    with pytest.raises(ValueError, match=r"proposal .* does not wait for approval, round 1, proposal"):
        decide(waits / "run", "approved", "anna", round_number=1, proposal=first.proposal)
    decide(waits / "run", "approved", "ben", round_number=1, proposal=second.proposal)
    ended = play(waits, ASK)
    assert ended.status == "ended"
    assert [one.approval.answer.by for one in ended.rounds if one.approval and one.approval.answer] == ["anna", "ben"]
    assert ends_alike(loop_json(waits)) == ends_alike(loop_json(never_asked))
    assert {path.name for path in (waits / "run" / "stages").iterdir()} == {
        path.name for path in (never_asked / "run" / "stages").iterdir()
    }
    assert trainings(waits) == trainings(never_asked)
    looks = [[json.loads(line)["judgement"] for line in (one / "ledger.jsonl").open()] for one in (waits, never_asked)]
    assert looks[0] == looks[1]
    forecast, spent = ended.rounds[0].approval, ended.rounds[0].costs["train"]
    assert forecast is not None
    assert abs(forecast.tokens - spent.tokens) <= 6 * 16  # within one row of each training


def test_approved_in_part_a_loop_trains_and_judges_as_one_that_proposed_only_that_part(
    toy: Path, tmp_path: Path
) -> None:
    asked, alone = (shutil.copytree(toy, tmp_path / name) for name in ("asked", "alone"))
    first = play(asked, ASK, fix=DropSkill())
    assert [action.kind for action in first.rounds[0].plan.actions] == ["clean", "clean"]
    question = waiting(asked / "run")
    assert question is not None
    kept, left_out = question.changeable.actions
    assert (len({kept, left_out}), question.changeable.least_scale) == (2, 1.0)
    assert question.summary.startswith("0: clean, ")
    answer = decide(asked / "run", "approved", "anna", change=change_of([1])).answer
    again = play(asked, ASK, "budget.rounds=1", fix=DropSkill())
    assert again.rounds[0].approval is not None
    assert again.rounds[0].approval.answer == answer
    assert f"{left_out}: left out by a person" in again.rounds[0].plan.reason
    play(alone, "budget.rounds=1", fix=DropSkill(only=kept.rpartition(" ")[2]))
    (of_part,), (of_alone,) = (loop_json(one)["rounds"] for one in (asked, alone))
    assert len(of_part["plan"]["actions"]) == len(of_alone["plan"]["actions"]) == 1
    assert ends_alike(of_part["verdict"]) == ends_alike(of_alone["verdict"])
    assert of_part["plan"]["actions"] == of_alone["plan"]["actions"]
    assert trainings(asked) == trainings(alone)


def test_of_half_of_its_draws_a_proposal_that_raises_a_skill_from_a_quarter_to_two_fifths_raises_it_half_as_far(
    waits: Path,
) -> None:
    question = waiting(waits / "run")
    assert question is not None
    assert question.changeable.actions == ("reweight: skill = jump",)
    assert question.changeable.least_scale == pytest.approx(0.05 / (0.4 - 0.25))
    decide(waits / "run", "approved", "anna", change=change_of(scale=0.5))
    round_ = play(waits, ASK, "budget.rounds=1").rounds[0]
    assert round_.plan.actions[0].share == pytest.approx(0.25 + 0.5 * (0.4 - 0.25))
    assert round_.verdict.arms


def test_rejected_a_round_trains_nothing_and_the_next_one_proposes_something_else(waits: Path) -> None:
    assert play(waits, ASK).status == "waiting"  # nobody has answered
    answer = decide(waits / "run", "rejected", "anna", "these rows are private").answer
    result = play(waits, ASK)
    first, second = result.rounds
    assert first.verdict.decision is Decision.NOT_APPROVED
    assert first.verdict.reason == f"rejected by anna at {answer.time}: these rows are private"
    assert first.approval is not None
    assert first.approval.answer == answer
    assert (trainings(waits), (waits / "ledger.jsonl").exists()) == ([], False)
    assert second.verdict.decision is Decision.AWAITING_APPROVAL
    tasks = [round_.plan.actions[0].why for round_ in result.rounds]
    assert [next(task for task in ("toy_jump", "toy_run") if task in why) for why in tasks] == ["toy_jump", "toy_run"]
    assert result.champion.round is None
    decide(waits / "run", "rejected", "anna")
    ended = play(waits, ASK)
    assert (ended.status, ended.stopped_because) == ("ended", "budget.rounds: 2 rounds are done")
    assert [round_.verdict.decision for round_ in ended.rounds] == [Decision.NOT_APPROVED] * 2
    assert trainings(waits) == []
    assert "Proposed and not approved" in (waits / "run" / "report.html").read_text()


def test_an_answer_holds_without_the_setting_and_a_question_without_one_is_withdrawn(waits: Path) -> None:
    decide(waits / "run", "rejected", "anna")
    ended = play(waits)
    assert ended.rounds[0].verdict.decision is Decision.NOT_APPROVED
    assert ended.rounds[1].verdict.arms  # about which nobody was asked
    assert ended.rounds[1].approval is None


def test_a_loop_that_goes_on_without_asking_withdraws_its_question(waits: Path, never_asked: Path) -> None:
    play(waits)
    with pytest.raises(ValueError, match=r"no proposal of .* waits for approval"):
        decide(waits / "run", "rejected", "anna")
    assert ends_alike(loop_json(waits)) == ends_alike(loop_json(never_asked))


def test_an_answer_to_another_proposal_is_not_taken_for_this_one(waits: Path) -> None:
    """As where the code has changed since, and proposes something else of the same round."""
    decide(waits / "run", "approved", "anna")
    path, question = waits / "run" / APPROVALS_FILE, loop_json(waits)["rounds"][0]["approval"]["proposal"]
    path.write_text(path.read_text().replace(question, "0" * 16))
    assert play(waits, ASK).status == "waiting"
    asked_again = waiting(waits / "run")
    assert asked_again is not None
    assert asked_again.proposal == question
    assert trainings(waits) == []


def test_a_round_that_was_trained_before_anybody_asked_is_not_asked_about(toy: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(toy, tmp_path / "toy")
    before = play(folder, "budget.rounds=1")
    result = play(folder, ASK)
    assert result.rounds[0] == before.rounds[0]
    assert (result.status, len(result.rounds)) == ("waiting", 2)
    question = waiting(folder / "run")
    assert question is not None
    assert question.round == 1


def test_an_answer_that_comes_while_the_loop_works_is_taken(waits: Path, never_asked: Path) -> None:
    words = (ASK, "budget.rounds=1")
    assert play(waits, *words, listeners=(Answers(waits / "run"),)).status == "ended"
    assert ends_alike(loop_json(waits))["rounds"] == ends_alike(loop_json(never_asked))["rounds"][:1]


def test_a_loop_killed_after_its_approval_goes_on_without_asking_again(waits: Path, never_asked: Path) -> None:
    decide(waits / "run", "approved", "anna")
    words = (ASK, "budget.rounds=1")
    process = multiprocessing.get_context("spawn").Process(target=play, args=(waits, *words), kwargs=DIES)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    left = loop_json(waits)
    assert (left["status"], left["rounds"]) == ("running", [])
    assert "The first round is under way" in (waits / "run" / "report.html").read_text()
    assert waiting(waits / "run") is None
    ended = play(waits, *words)
    assert ended.status == "ended"
    whole = ends_alike(loop_json(never_asked))["rounds"][0]
    assert ends_alike(loop_json(waits))["rounds"] == [whole]


def test_a_plan_that_the_budget_cannot_pay_is_not_asked_about(toy: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(toy, tmp_path / "toy")
    result = play(folder, ASK, "budget.train_tokens=3000")
    assert (result.status, result.rounds) == ("ended", ())
    assert re.match(r"budget.train_tokens: round 0 takes \d+", result.stopped_because)
    assert waiting(folder / "run") is None


def test_a_loop_that_waits_is_not_cleaned_and_a_sweep_does_not_ask(
    waits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["clean", str(waits / "run"), "--force"]) == 2
    assert "is not over, its status is waiting; give its command once more" in capsys.readouterr().err
    with chdir(waits):
        settings = composed([*(waits / "words").read_text().splitlines(), ASK])
        with pytest.raises(ValueError, match=r"controller.approval=ask is not for a sweep, whose jobs are compared"):
            run_loop(settings, Job(sweep="nights", swept=("seed=0",)))


DIES: dict[str, Any] = {"listeners": (Dies(),)}
