"""`evalmend clean`: remove weights that a finished loop does not need any more."""

from collections.abc import Iterator
from pathlib import Path

from controller.engine.journal.lock import locked
from controller.results.loop_json import LOOP_FILE, read_loop
from controller.train.kept import read_needed, remove_weights, weights_beside

FORCE = "--force"


def clean_lines(run_dir: Path, *, removes: bool) -> Iterator[str]:
    """Yield what goes, with sizes, and remove it where that is wanted.

    What stays: the given model as it was built, the model of round 0, the champions of all seeds, the last challenger,
    and whatever a round that the budget cut short has trained; every file that is no weights.

    Args:
        run_dir: Folder of a loop that is over.
        removes: Whether the weights are removed, and not only listed.

    Raises:
        ValueError: it is no folder of a loop, the loop is not over, or another process works there.
    """
    if not (run_dir / LOOP_FILE).is_file():
        raise ValueError(f"{run_dir} holds no {LOOP_FILE}; name the run_dir of a finished loop")
    with locked(run_dir):
        if (status := read_loop(run_dir).status) != "ended":
            raise ValueError(
                f"the loop of {run_dir} is not over, its status is {status}; give its command once more and let it "
                "end, or have it remove what it does not need with train.keep=needed"
            )
        stages = sorted(path for path in (run_dir / "stages").iterdir() if path.suffix != ".partial")
        found = list(weights_beside(stages, read_needed(run_dir)))
        for one in found:
            yield f"{size(one.num_bytes):>10}  {one.folder.relative_to(run_dir)}"
        total = size(sum(one.num_bytes for one in found))
        if not found:
            yield "nothing to remove: the loop needs all weights that are there"
        elif removes:
            remove_weights(found)
            yield f"{total:>10}  removed, weights of {len(found)} models"
        else:
            yield f"{total:>10}  in weights of {len(found)} models; nothing is removed without {FORCE}"


def size(num_bytes: float) -> str:
    """Put a number of bytes in words, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"
