"""A pass in shards: the same scores however it is cut, and after a kill no finished shard again."""

import pickle
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from builders.models import llama, random_rows
from numpy.typing import NDArray

from diagnose.attribution.ekfac import ekfac_effects
from diagnose.attribution.influence import Influence
from diagnose.attribution.shards import ScoredRows, mean_of
from diagnose.attribution.stream import attribute
from diagnose.model.checkpoint import Checkpoint
from diagnose.model.queries import Queries, weighted_rows
from evals.model_ref import ModelRef

NUM_ROWS, SHARD_ROWS = 90, 8


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Checkpoint]:
    folder = tmp_path_factory.mktemp("models")
    made = []
    for number in range(2):
        llama(30, seed=number).save_pretrained(folder / str(number))
        made.append(Checkpoint(ModelRef(str(folder / str(number))), 1.0))
    return made


def asked() -> Queries:
    return weighted_rows(random_rows(3, 7), np.array([[1.0, 0, 0], [0, 0.5, 0.5]]))


def settings(shard_rows: int) -> Influence:
    return Influence(projection_dim=4, fisher_examples=20, shard_rows=shard_rows)


def scores(checkpoints: Sequence[Checkpoint], shard_rows: int, folder: Path | None = None) -> ScoredRows:
    return attribute(settings(shard_rows), checkpoints, asked(), random_rows(NUM_ROWS, 1), 5, folder=folder).whole()


@pytest.mark.parametrize("shard_rows", [1, SHARD_ROWS, 1000])
def test_scores_do_not_depend_on_the_shards(checkpoints: list[Checkpoint], tmp_path: Path, shard_rows: int) -> None:
    whole, cut = scores(checkpoints, NUM_ROWS), scores(checkpoints, shard_rows, tmp_path)
    for name in ("effect", "retrieval", "hidden", "losses"):
        np.testing.assert_allclose(getattr(cut, name), getattr(whole, name), rtol=2e-4, atol=1e-7)
    assert cut.num_tokens == whole.num_tokens == 2 * random_rows(NUM_ROWS, 1).num_tokens


def test_a_killed_pass_repeats_at_most_the_shard_that_it_was_in(checkpoints: list[Checkpoint], tmp_path: Path) -> None:
    program, given = tmp_path / "attribute_rows.py", tmp_path / "given.pickle"
    program.write_text(
        textwrap.dedent(
            f"""
            import pickle
            import sys
            from pathlib import Path
            sys.path[:0] = {sys.path!r}
            from diagnose.attribution.stream import attribute

            settings, checkpoints, asked, rows = pickle.loads(Path(sys.argv[1]).read_bytes())

            class Read:
                def __len__(self):
                    return len(rows)
                def select(self, indices):
                    print("read", indices[0], len(indices), flush=True)
                    return rows.select(indices)

            attribute(settings, checkpoints, asked, Read(), 5, folder=Path(sys.argv[2]),
                      report_progress=lambda done, total: print("done", done, total, flush=True))
            """
        )
    )
    given.write_bytes(pickle.dumps((settings(SHARD_ROWS), checkpoints, asked(), random_rows(NUM_ROWS, 1))))
    command = [sys.executable, str(program), str(given), str(tmp_path / "scores")]
    num_shards = 2 * -(-NUM_ROWS // SHARD_ROWS)
    read: list[list[str]] = []
    for kill_after in (5, 9, None):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        read.append([])
        for line in process.stdout:
            if line.startswith("read"):
                read[-1].append(line)
            if kill_after is not None and len(read[-1]) == kill_after:
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.read()
        process.wait()
    last = line.split()
    assert last == ["done", str(2 * NUM_ROWS), str(2 * NUM_ROWS)]
    # The sample is read anew by each process for each checkpoint that it works on.
    shards = [line for lines in read for line in lines if int(line.split()[2]) <= SHARD_ROWS]
    assert num_shards <= len(shards) <= num_shards + 2
    for name in ("effect", "retrieval", "losses"):
        killed = scores(checkpoints, SHARD_ROWS, tmp_path / "scores")
        np.testing.assert_allclose(
            getattr(killed, name), getattr(scores(checkpoints, SHARD_ROWS), name), rtol=1e-5, atol=1e-9
        )


def test_a_finished_pass_is_read_and_no_model_is_loaded(checkpoints: list[Checkpoint], tmp_path: Path) -> None:
    first = scores(checkpoints, SHARD_ROWS, tmp_path)
    gone = [Checkpoint(ModelRef("nowhere"), 1.0)] * 2
    again = scores(gone, SHARD_ROWS, tmp_path)
    np.testing.assert_array_equal(first.effect, again.effect)


def test_the_mean_over_checkpoints_leaves_a_row_out_that_one_of_them_left_out() -> None:
    def part(is_left_out: list[bool]) -> ScoredRows:
        scores: NDArray[np.float32] = np.ones((2, 1), np.float32)
        return ScoredRows(
            0, scores, scores, scores, np.ones((1, 2), np.float32), np.ones(2, np.int64), np.array(is_left_out), 0, 3
        )

    both = mean_of([part([False, False]), part([False, True])], [0.25, 0.75])
    assert both.effect[:, 0].tolist() == [1.0, 0.0]
    assert both.losses.tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert both.is_left_out.tolist() == [False, True]


@pytest.mark.parametrize("shard_rows", [7, NUM_ROWS])
def test_extreme_rows_are_those_that_sorting_all_of_them_gives(checkpoints: list[Checkpoint], shard_rows: int) -> None:
    attribution = attribute(settings(shard_rows), checkpoints, asked(), random_rows(NUM_ROWS, 1), 5)
    order = np.argsort(attribution.whole().effect, axis=0)
    expected = np.unique(np.concatenate([order[:9], order[-9:]]))  # a tenth of 90 at either end
    np.testing.assert_array_equal(attribution.extreme_rows(0.1), expected)


def test_effects_taken_anew_over_checkpoints_are_the_mean_of_each_ones(checkpoints: list[Checkpoint]) -> None:
    train, chosen = random_rows(NUM_ROWS, 1), np.array([3, 40, 41])
    both = ekfac_effects(settings(8), checkpoints, asked(), train, chosen, seed=5)
    each = [ekfac_effects(settings(8), [one], asked(), train, chosen, seed=5) for one in checkpoints]
    np.testing.assert_allclose(both.effect, (each[0].effect + each[1].effect) / 2, rtol=1e-5, atol=1e-9)
    assert both.num_tokens == each[0].num_tokens + each[1].num_tokens
    assert both.rows.tolist() == [3, 40, 41]
