"""Questions and answers in a file: bound to one proposal, taken once, and whole after any kill."""

import json
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.checkout import ROOT, start

from controller.engine.journal.approvals import (
    APPROVALS_FILE,
    ask,
    decide,
    find_answer,
    waiting,
    withdraw,
)
from controller.engine.journal.changes import Changeable, change_of
from controller.main import run

SUMMARY = "reweight, 40 rows reweighted where skill = jump: 9 trainings"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Folder of a run whose round 0 waits."""
    ask(tmp_path, 0, "aa11", SUMMARY)
    return tmp_path


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / APPROVALS_FILE).read_text().splitlines()]


def killed(work: Callable[[], object], after: float | None = None) -> int | None:
    """Do this in a process; returns its exit code, -9 where it was killed, by itself or after so many seconds."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    if after is not None:
        time.sleep(after)
        process.kill()
    process.join()
    return process.exitcode


def test_an_answer_says_who_when_in_utc_and_why_of_one_round_and_proposal(run_dir: Path) -> None:
    found = waiting(run_dir)
    assert found is not None
    assert (found.round, found.proposal, found.summary) == (0, "aa11", SUMMARY)
    before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    answer = decide(run_dir, "rejected", "anna", "not these rows", round_number=0, proposal="aa11").answer
    assert before <= answer.time <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert lines(run_dir)[1] == {
        "event": "decided",
        "round": 0,
        "proposal": "aa11",
        "decision": "rejected",
        "by": "anna",
        "why": "not these rows",
        "time": answer.time,
        "change": {"leave_out": [], "scale": 1.0},
    }
    assert waiting(run_dir) is None
    assert find_answer(run_dir, 0, "aa11") == answer
    assert find_answer(run_dir, 1, "aa11") is None
    assert find_answer(run_dir, 0, "bb22") is None


@pytest.mark.parametrize(("round_number", "proposal"), [(0, "bb22"), (1, "aa11"), (1, None), (None, "bb22")])
def test_an_answer_to_another_proposal_than_the_one_that_waits_is_refused(
    run_dir: Path, round_number: int | None, proposal: str | None
) -> None:
    with pytest.raises(ValueError, match=r"does not wait for approval, round 0, proposal aa11 does: reweight, 40 rows"):
        decide(run_dir, "approved", "anna", round_number=round_number, proposal=proposal)
    assert len(lines(run_dir)) == 1
    assert waiting(run_dir) is not None


def test_the_same_answer_again_changes_nothing_and_the_other_one_is_refused(run_dir: Path) -> None:
    first = decide(run_dir, "approved", "anna", "fine")
    again = decide(run_dir, "approved", "ben", round_number=0, proposal="aa11")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.answer == first.answer
    with pytest.raises(ValueError, match=r"round 0 of .* was approved by anna at .*Z: fine; a decision stands"):
        decide(run_dir, "rejected", "ben")
    assert len(lines(run_dir)) == 2


def test_an_approval_takes_away_what_its_question_lets_it_and_no_more(tmp_path: Path) -> None:
    bounds = Changeable(("clean: skill = run", "retrieve: skill = jump"), 0.2)
    ask(tmp_path, 0, "aa11", SUMMARY, bounds)
    found = waiting(tmp_path)
    assert found is not None
    assert found.changeable == bounds
    for change, message in {
        change_of([2]): "leave_out names action 2, and the proposal has 0: clean: skill = run; 1: retrieve: skill",
        change_of([0, 1]): "leave_out leaves nothing of 0: clean: skill = run; 1: retrieve: skill = jump; reject the",
        change_of(scale=0.1): "scale must be from 0.2 to 1, got 0.1; with fewer draws it is hardly trained on",
        change_of(scale=1.5): "scale must be from 0.2 to 1, got 1.5",
        change_of(scale=float("nan")): "scale must be from 0.2 to 1, got nan",
    }.items():
        with pytest.raises(ValueError, match=re.escape(message)):
            decide(tmp_path, "approved", "anna", change=change)
    with pytest.raises(ValueError, match="leave_out and scale change what is approved; a proposal is rejected as"):
        decide(tmp_path, "rejected", "anna", change=change_of([0]))
    assert len(lines(tmp_path)) == 1
    change = change_of([1, 1], 0.5)
    answer = decide(tmp_path, "approved", "anna", "half", change=change).answer
    assert answer.in_words == f"approved without action 1, with 0.5 of the draws by anna at {answer.time}: half"
    assert find_answer(tmp_path, 0, "aa11") == answer
    assert not decide(tmp_path, "approved", "ben", change=change_of([1], 0.5)).is_new
    with pytest.raises(ValueError, match=r"was approved without action 1, with 0.5 of the draws by anna .* too late"):
        decide(tmp_path, "approved", "ben")


def test_a_question_of_an_earlier_version_is_answered_as_a_whole(tmp_path: Path) -> None:
    asked = {"event": "asked", "round": 0, "proposal": "aa11", "summary": SUMMARY, "time": "2026-01-01T00:00:00Z"}
    (tmp_path / APPROVALS_FILE).write_text(json.dumps(asked) + "\n")
    with pytest.raises(ValueError, match="leave_out names action 0, and the proposal has none that is known"):
        decide(tmp_path, "approved", "anna", change=change_of([0]))
    with pytest.raises(ValueError, match=r"scale must be from 1 to 1, got 0\.5; it takes none"):
        decide(tmp_path, "approved", "anna", change=change_of(scale=0.5))
    assert decide(tmp_path, "approved", "anna").is_new


def test_where_nothing_was_asked_nothing_can_be_decided(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone is no folder; name the run_dir of a loop that waits"):
        decide(tmp_path / "gone", "approved", "anna")
    with pytest.raises(ValueError, match=r"no proposal of .* waits for approval; a loop asks with controller.approval"):
        decide(tmp_path, "approved", "anna")
    assert waiting(tmp_path) is waiting(tmp_path / "gone") is None
    assert not (tmp_path / APPROVALS_FILE).exists()


def test_a_question_that_stands_is_not_written_again_and_another_one_takes_its_place(run_dir: Path) -> None:
    ask(run_dir, 0, "aa11", SUMMARY)
    assert len(lines(run_dir)) == 1
    ask(run_dir, 0, "bb22", "another plan")  # as after a change of the code
    with pytest.raises(
        ValueError, match=r"proposal aa11 of .* does not wait for approval, round 0, proposal bb22 does"
    ):
        decide(run_dir, "approved", "anna", proposal="aa11")
    assert decide(run_dir, "approved", "anna", proposal="bb22").is_new
    ask(run_dir, 0, "bb22", "another plan")  # which has been answered
    assert waiting(run_dir) is None
    assert len(lines(run_dir)) == 3


def test_the_answer_of_an_earlier_round_is_found_while_a_later_one_waits(run_dir: Path) -> None:
    first = decide(run_dir, "approved", "anna")
    ask(run_dir, 1, "cc33", "the next plan")
    assert decide(run_dir, "approved", "anna", round_number=0).answer == first.answer
    with pytest.raises(ValueError, match=r"round 0 of .* was approved by anna"):
        decide(run_dir, "rejected", "anna", proposal="aa11")
    assert decide(run_dir, "rejected", "anna").answer.round == 1
    assert find_answer(run_dir, 0, "aa11") == first.answer


def test_a_question_that_was_withdrawn_cannot_be_answered(run_dir: Path) -> None:
    withdraw(run_dir, 1)  # of another round
    assert waiting(run_dir) is not None
    withdraw(run_dir, 0)
    withdraw(run_dir)
    assert waiting(run_dir) is None
    with pytest.raises(ValueError, match=r"no proposal of .* waits for approval; one that does"):
        decide(run_dir, "approved", "anna")
    assert [line["event"] for line in lines(run_dir)] == ["asked", "withdrawn"]


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[2J", "a\u202eb", "\udcff", "x" * 2001])
def test_a_name_and_a_reason_are_one_printable_line(run_dir: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"why must be one line of at most 2000 printable characters"):
        decide(run_dir, "approved", "anna", text)
    with pytest.raises(ValueError, match=r"by must be one line"):
        decide(run_dir, "approved", text)
    with pytest.raises(ValueError, match=r"by must name who decides"):
        decide(run_dir, "approved", "")
    assert waiting(run_dir) is not None


def test_a_reason_is_kept_in_any_script(run_dir: Path) -> None:
    why = "c'est faux\xa0! 不行 می\u200cخواهم 👩\u200d🔬"
    decide(run_dir, "rejected", "Åsa", why)
    answer = find_answer(run_dir, 0, "aa11")
    assert answer is not None
    assert (answer.by, answer.why) == ("Åsa", why)


def test_half_a_line_of_a_killed_writer_is_no_answer_and_the_next_one_is_whole(run_dir: Path) -> None:
    size = (run_dir / APPROVALS_FILE).stat().st_size

    def dies_in_the_middle() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 60, size + 60))  # the kernel takes 60 bytes of the line
        signal.signal(signal.SIGXFSZ, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        decide(run_dir, "rejected", "anna", "half of this is never written")

    assert killed(dies_in_the_middle) == -signal.SIGKILL
    assert (run_dir / APPROVALS_FILE).stat().st_size == size + 60
    assert waiting(run_dir) is not None
    assert find_answer(run_dir, 0, "aa11") is None
    assert decide(run_dir, "approved", "ben").is_new
    assert [line.get("by") for line in lines(run_dir)] == [None, "ben"]


def test_an_answer_stands_when_its_writer_is_killed_right_after(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    assert killed(lambda: decide(run_dir, "rejected", "anna")) == -signal.SIGKILL
    monkeypatch.undo()
    assert waiting(run_dir) is None
    assert not decide(run_dir, "rejected", "anna").is_new
    assert len(lines(run_dir)) == 2


def test_a_writer_killed_at_any_moment_leaves_an_answer_or_none(tmp_path: Path) -> None:
    num_taken = 0
    for number in range(40):
        folder = tmp_path / str(number)
        folder.mkdir()
        ask(folder, 0, "aa11", SUMMARY)
        killed(lambda at=folder: decide(at, "rejected", "anna"), after=number * 0.0005)  # type: ignore[misc]
        is_taken = waiting(folder) is None
        num_taken += is_taken
        assert decide(folder, "rejected", "ben").is_new is not is_taken
        assert [line.get("by") for line in lines(folder)] == [None, "anna" if is_taken else "ben"]
    assert num_taken < 40


def test_a_line_that_is_none_of_ours_is_named(run_dir: Path) -> None:
    with (run_dir / APPROVALS_FILE).open("a") as file:
        file.write('{"event": "approved"}\n')
    with pytest.raises(ValueError, match=r"approvals.jsonl, line 2, is no question and no answer: unknown event"):
        waiting(run_dir)


def test_of_two_decisions_at_once_exactly_one_is_taken(tmp_path: Path) -> None:
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        ask(folder, 0, "aa11", SUMMARY)
        both = [start([verb, str(folder), "by=anna"], tmp_path) for verb in ("approve", "reject")]
        said = [process.communicate(timeout=60) for process in both]
        codes = [process.returncode for process in both]
        assert sorted(codes) == [0, 2]
        (answer,) = (line["decision"] for line in lines(folder) if line["event"] == "decided")
        assert answer == ("approved", "rejected")[codes.index(0)]
        assert f"was {answer} by anna" in said[codes.index(2)][1]


def test_the_command_line_says_what_stands(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(run_dir)
    assert run(["reject", folder, "proposal=bb22"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["approve", folder, "by=anna", "why=looks right", "round=0", "proposal=aa11"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"round 0 of {folder}, proposal aa11: approved by anna at \S+Z: looks right", first)
    assert second == "the command that began the loop trains and judges it"
    assert run(["approve", folder]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "it was decided before, and nothing is changed"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["approve"], "evalmend approve needs one run directory, got 0; for example: evalmend approve"),
        (["approve", "gone"], "gone is no folder; name the run_dir of a loop that waits for approval"),
        (["approve", ".", "run"], "evalmend approve needs one run directory, got 2"),
        (["reject", ".", "wy=no"], "evalmend reject has no option wy; did you mean why=?"),
        (["reject", ".", "--force"], "evalmend reject has no option --force; it has by=, why=, round=, proposal="),
        (["approve", ".", "leave_out=first"], "leave_out must be places of actions, as leave_out=0,2, got 'first'"),
        (["approve", ".", "leave_out="], "leave_out must be places of actions, as leave_out=0,2, got ''"),
        (["approve", ".", "scale=half"], "scale must be a number, as scale=0.5, got 'half'"),
        (["reject", ".", "round=first"], "round must be the number of a round, got 'first'"),
        (["reject", ".", "why=a", "why=b"], "why is given twice, why=a and why=b"),
        (["reject", "."], "no proposal of . waits for approval; a loop asks with controller.approval=ask"),
        (["aprove", "."], "unknown verb 'aprove'; did you mean 'approve'?"),
    ],
)
def test_a_wrong_command_is_one_line(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_deciding_loads_no_library_that_takes_seconds(run_dir: Path) -> None:
    code = (
        "import sys; from controller.main import run; code = run(sys.argv[1:]);"
        "heavy = {'torch', 'numpy', 'pyarrow', 'hydra', 'transformers', 'mlflow', 'pydantic'} & set(sys.modules);"
        "sys.exit(f'loads {heavy}' if heavy else code)"
    )
    words = [sys.executable, "-c", code, "approve", str(run_dir)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
