# Everything sets up the environment first if it is missing. Another Python: make PYTHON=python3.12 test
PYTHON ?= python3
BIN := .venv/bin

.PHONY: loop test test-long smoke prove check clean

# torch first and by its version: a plain torch would bring gigabytes of CUDA, which users of a GPU install
# themselves before this.
.venv: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch .venv

# The main job on the embedded starter: measure, diagnose, fix, retrain, verify.
loop: .venv
	$(BIN)/evalmend loop

# Tests, offline, two at a time with a thread each: all but those that take a minute and more.
test: .venv
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not long'

# The others: sweeps, nights, the proving ground, loops on data of every form, lm-eval's own command line.
test-long: .venv
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m long

# The whole loop on a toy, in seconds.
smoke: .venv
	$(BIN)/evalmend loop experiment=smoke run_dir=runs/smoke

# The loop on five planted defects, held against the truth; under ten minutes on two cores.
prove: .venv
	$(BIN)/evalmend prove --multirun scenario=clean,missing_skill,wrong_labels,leaked_eval,forgetting_trap world=skills

check: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy scripts
	$(BIN)/lint-imports
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m 'not slow and not gpu'

clean:
	rm -rf .venv runs
