"""Choose the form of the logs in each folder of `evals.samples`, and read them."""

from pathlib import Path

from evals.samples.every_eval import SUFFIX, read_every_eval
from evals.samples.inspect_log import is_inspect, read_inspect
from evals.samples.lm_eval_folder import is_lm_eval, read_lm_eval
from evals.samples.record import Recording
from evals.suite import EvalSuite


def read_samples(suite: EvalSuite) -> tuple[Recording, ...]:
    """Read what each folder of `evals.samples` says of one model, in the order of the folders.

    Raises:
        ValueError: a path is no folder or log, its form is unknown, what it holds is ambiguous, or two folders are one.
    """
    recordings = tuple(_read(Path(source).expanduser(), suite) for source in suite.samples)
    first: dict[str, str] = {}
    for recording in recordings:
        if recording.model in first:
            raise ValueError(
                f"evals.samples names answers of {recording.model} twice ({first[recording.model]}, "
                f"{recording.source}); a model's answers count once: leave one out"
            )
        first[recording.model] = recording.source
    return recordings


def _read(source: Path, suite: EvalSuite) -> Recording:
    if not source.exists():
        raise ValueError(
            f"evals.samples must name a folder of logs, got '{source}', which does not exist; a relative path starts "
            "at the working directory"
        )
    if source.is_file():
        if is_inspect(source):
            return read_inspect(source, [source])
        raise ValueError(
            f"evals.samples must name a folder, got the file '{source}', which is no log of Inspect; name the folder "
            "that lm_eval --output_path wrote, with the results file in it"
        )
    files = sorted(path for path in source.rglob("*") if path.is_file())
    every = [path for path in files if path.name.endswith(SUFFIX)]
    logs = [path for path in files if is_inspect(path)]
    forms = {
        "Every Eval Ever": bool(every),
        "Inspect": bool(logs),
        "lm-eval": is_lm_eval(source),
    }
    found = [form for form, is_there in forms.items() if is_there]
    if len(found) > 1:
        raise ValueError(
            f"evals.samples: {source} holds logs of {' and '.join(found)}; put each program's in a folder of its own"
        )
    if not found:
        held = f"{len(files)} files, the first {files[0].name}" if files else "it is empty"
        raise ValueError(
            f"evals.samples: {source} holds no logs that can be read ({held}); it must be a folder that "
            "lm_eval --log_samples wrote, Inspect's .json or .eval logs, or Every Eval Ever's *_samples.jsonl"
        )
    if every:
        return read_every_eval(source, every)
    return read_inspect(source, logs) if logs else read_lm_eval(source, suite)
