"""Set up what people see while a loop runs: our own lines, and libraries only when something is wrong."""

import logging
import os
import sys
import warnings

LIBRARIES = (
    "datasets",
    "transformers",
    "lm_eval",
    "lm-eval",
    "alembic",
    "mlflow",
    "httpx",
    "huggingface_hub",
    "evaluate",
    "accelerate",
    "peft",
    "bitsandbytes",
)


def set_up() -> None:
    """Send our log lines to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    quiet_libraries()


def quiet_libraries() -> None:
    """Turn off warnings and progress bars of libraries; `controller.engine.workers.progress` shows a stage's progress.

    Most is done by the environment, which they read when they are imported: so this imports none, and processes that
    are started later keep it."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # transformers goes by it too
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("LMEVAL_LOG_LEVEL", "ERROR")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    warnings.filterwarnings("ignore", module="(transformers|torch|datasets|lm_eval|mlflow|peft|alembic).*")
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
