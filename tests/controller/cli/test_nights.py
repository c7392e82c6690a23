"""What the summary of a night says of the night before."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from controller.cli.nights import earlier_nights, since_lines

RIGHT, WRONG = 1.0, 0.0


def write_night(folder: Path, scores: dict[str, float], task: str = "sums") -> Path:
    """A night whose first model scored this on probe items; its next round, and another arm, scored otherwise."""
    folder.mkdir()
    rows = [
        {
            "round": round_number,
            "arm": arm,
            "task": task,
            "id": item,
            "prompt": f"what is {item}",
            "answer": f"answer of {folder.name}",
            "score": score if (round_number, arm) == (0, "champion") else 1 - score,
            "is_failed": score < 0.5,
        }
        for round_number, arm in ((0, "champion"), (0, "other"), (1, "champion"))
        for item, score in scores.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "items-probe.parquet")
    return folder


def test_items_that_turned_are_counted_and_shown_in_any_order_of_the_file(tmp_path: Path) -> None:
    before = {f"item {k}": RIGHT if k < 4 else WRONG for k in range(10)}
    now = before | {"item 8": RIGHT, "item 9": RIGHT, "item 0": WRONG}
    first = write_night(tmp_path / "2030-01-01", before)
    second = write_night(tmp_path / "2030-01-02", dict(reversed(now.items())))
    lines = since_lines(first, second)
    assert lines[0] == "## Since 2030-01-01"
    (row,) = [line for line in lines if line.startswith("| sums")]
    # Two of ten won, one lost: +.1, standard deviation .5676, t of 9 degrees 2.262.
    assert row == "| sums | 10 | 0.400 | 0.500 | +0.100 [-0.306, +0.506] | 2 | 1 |"
    turned_right = lines[lines.index("Turned right:") + 2 : lines.index("Turned wrong:") - 1]
    assert sorted(turned_right) == [
        "- sums: `what is item 8` gave `answer of 2030-01-02`",
        "- sums: `what is item 9` gave `answer of 2030-01-02`",
    ]
    assert "- sums: `what is item 0` gave `answer of 2030-01-02`" in lines


def test_items_of_one_night_alone_are_left_out_and_counted(tmp_path: Path) -> None:
    first = write_night(tmp_path / "2030-01-01", {"a": RIGHT, "b": WRONG, "old": RIGHT})
    second = write_night(tmp_path / "2030-01-02", {"a": RIGHT, "b": RIGHT, "new": WRONG, "newer": WRONG})
    lines = since_lines(first, second)
    assert any(line.startswith("| sums | 2 | 0.500 | 1.000 |") for line in lines)
    assert "3 items that only one of the two answered are left out." in lines


def test_nights_without_items_in_common_are_not_compared(tmp_path: Path) -> None:
    first = write_night(tmp_path / "2030-01-01", {"a": RIGHT})
    assert since_lines(first, write_night(tmp_path / "2030-01-02", {"a": RIGHT}, "words")) == []
    (tmp_path / "2030-01-03").mkdir()
    assert since_lines(first, tmp_path / "2030-01-03") == []


def test_only_finished_nights_before_this_one_count_the_oldest_first(tmp_path: Path) -> None:
    for name in ("2030-01-03", "2030-01-01", "2030-01-02", "2030-01-04"):
        (tmp_path / name).mkdir()
        if name != "2030-01-02":
            (tmp_path / name / "champion.json").write_text("{}")
    assert [path.name for path in earlier_nights(tmp_path, "2030-01-04")] == ["2030-01-01", "2030-01-03"]
