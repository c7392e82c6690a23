"""Banks of trained arms on data that others made: end of each training, mean of its last checkpoints, and the champion.

    python scripts/make_real_bank.py ../shared/data [--banks questions reviews] [--out tests/data/gate_bank_real]

`questions` (Li and Roth 2002) has a class with 40 rows left as its target, and the other five classes as its guard;
`reviews` (Kaushik et al. 2020) people's edits of film reviews as its target, and the reviews as written as its guard.
Models and recipes are those of `others_data.py`; arms are in `real_arms.py`. `<bank>.npz` has, for each training, its
arm and seed, the score of each item at its end (`scores`, [runs, items] of 0 and 1), that of the mean of the weights at
the last `NUM_AVERAGED` of ten evenly spaced checkpoints (`averaged`), and for each item the champion's log-likelihood
of its gold and of the best other choice. An item is asked as lm-eval asks for multiple choice: right where the gold has
the highest likelihood of the choices, each of which is one token. Every training is kept in `--work` once it is done: a
stopped run goes on. About twenty minutes a bank on one core.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import transformers
from datasets import Dataset
from numpy.typing import NDArray
from others_data import Row
from real_arms import ARMS, BANKS, BASE, INITIAL, Arm, Ground, Rows, ground_of, rows_of
from transformers import PreTrainedTokenizerBase, get_scheduler

from controller.cli.compose import composed
from controller.settings import LoopSettings
from controller.train.sampling import draw_order
from controller.train.settings import ScratchModel
from controller.train.start import build_scratch
from diagnose.rows.pool import Rendering, TrainPool
from diagnose.rows.tokens import NO_LOSS, TokenRows, collate, encode
from evals.model_ref import CausalModel

NUM_AVERAGED, NUM_CHECKPOINTS = 4, 10
CHAMPION_SEED = 1_000
_UPDATE_SHARE = 1 / 4
"""Steps of an arm over those of the initial training."""
_BATCH_ITEMS = 256


@dataclass(frozen=True, slots=True)
class Items:
    """Items of a bank as a model reads them."""

    prompts: TokenRows
    choices: NDArray[np.int64]
    """Token of each choice."""
    gold: NDArray[np.int64]
    """Place of each item's gold among the choices, [num_items]."""
    task: NDArray[np.str_]
    is_target: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all trainings of a bank share."""

    ground: Ground
    settings: LoopSettings
    tokenizer: PreTrainedTokenizerBase
    items: Items
    work: Path

    @property
    def num_initial_steps(self) -> int:
        train = self.settings.train
        return round(train.num_train_epochs * len(self.ground.corpus) / train.per_device_train_batch_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of trec_qc/ and external/cad_sentiment/")
    parser.add_argument("--banks", nargs="+", default=list(BANKS), choices=list(BANKS))
    parser.add_argument("--out", type=Path, default=Path("tests/data/gate_bank_real"))
    parser.add_argument("--work", type=Path, default=Path("runs/gate_bank_real"))
    parser.add_argument("--arms", nargs="+", default=[arm.name for arm in ARMS], help="of real_arms.py")
    parser.add_argument("--most-seeds", type=int, default=10, help="of each arm but the one that loops are played on")
    options = parser.parse_args()
    arms = [
        arm if arm.name == BASE else replace(arm, num_seeds=min(arm.num_seeds, options.most_seeds))
        for arm in ARMS
        if arm.name in options.arms
    ]
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.banks:
        make_bank(name, arms, opened(name, options.data, options.work / name), options.out / f"{name}.npz")


def opened(name: str, data: Path, work: Path) -> Bench:
    """Read the data and build what trainings share: settings, tokenizer, items."""
    ground = ground_of(name, data)
    settings = composed([*ground.case.settings, "corpus=files", "corpus.train=x", "evals.tasks=[x]"])
    work.mkdir(parents=True, exist_ok=True)
    build(settings, ground, work / "base", 0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(work / "base")
    return Bench(ground, settings, tokenizer, read_items(ground, tokenizer), work)


def make_bank(name: str, arms: Sequence[Arm], bench: Bench, file: Path) -> None:
    start = champion(bench)
    found: list[tuple[Arm, int, NDArray[np.uint8]]] = []
    for arm in arms:
        started = time.monotonic()
        found += [(arm, seed, one_training(bench, start, arm, seed)) for seed in range(arm.num_seeds)]
        ends = np.array([scores[0] for one, _, scores in found if one is arm])[:, bench.items.is_target].mean(axis=1)
        seconds = time.monotonic() - started
        print(f"{name} {arm.name}: target {ends.mean():.3f} sd {ends.std(ddof=1):.4f}, {seconds:.0f} s", flush=True)
    likelihoods = choice_likelihoods(start, bench.items)
    rows = np.arange(len(likelihoods))
    gold = likelihoods[rows, bench.items.gold]
    likelihoods[rows, bench.items.gold] = -np.inf
    names = np.array([arm.name for arm, _, _ in found])
    np.savez_compressed(
        file,
        scores=np.array([scores[0] for _, _, scores in found]),
        averaged=np.array([scores[1] for _, _, scores in found]),
        arm=names,
        seed=np.array([seed for _, seed, _ in found]),
        is_base=names == BASE,
        task=bench.items.task,
        is_target=bench.items.is_target,
        is_guard=~bench.items.is_target,
        champion_gold=gold.astype(np.float32),
        champion_other=likelihoods.max(axis=1).astype(np.float32),
    )
    print(f"{file}: {len(found)} runs, {len(bench.items.gold)} items, {file.stat().st_size} bytes", flush=True)


def champion(bench: Bench) -> CausalModel:
    """The initial training with a seed of its own, from which arms go on."""
    folder = bench.work / "champion"
    if not (folder / "config.json").is_file():
        model = train(bench, fresh(bench, CHAMPION_SEED), Arm(INITIAL, 1), CHAMPION_SEED).end
        model.save_pretrained(folder)
    return _loaded(folder)


def one_training(bench: Bench, start: CausalModel, arm: Arm, seed: int) -> NDArray[np.uint8]:
    """Scores of the end and of the mean of the last checkpoints, [2, num_items]; read where they are kept."""
    kept = bench.work / f"{arm.name}-{seed}.npy"
    if not kept.is_file():
        model = fresh(bench, seed) if arm.name == INITIAL else _copied(start)
        trained = train(bench, model, arm, seed)
        scores = np.array([right_answers(one, bench.items) for one in (trained.end, trained.averaged)])
        temporary = kept.with_suffix(".tmp.npy")
        np.save(temporary, scores)
        temporary.replace(kept)
    return np.asarray(np.load(kept), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Trained:
    end: CausalModel
    averaged: CausalModel
    """Model with the mean of the weights at the last checkpoints."""


def train(bench: Bench, model: CausalModel, arm: Arm, seed: int) -> Trained:
    """Train as `controller.train.trainer` does: AdamW, a rate that rises and falls, gradients clipped."""
    settings, mix = bench.settings.train, rows_of(arm, bench.ground, seed)
    encoded = _encoded(mix, bench.tokenizer, settings.max_length)
    batch = settings.per_device_train_batch_size
    share = 1.0 if arm.name == INITIAL else _UPDATE_SHARE * arm.times_steps
    num_steps = round(share * bench.num_initial_steps)
    order = draw_order(mix.weights, num_steps * batch, seed).reshape(num_steps, batch)
    assert settings.learning_rate is not None, "the recipes name their rates"
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate * arm.times_rate, weight_decay=settings.weight_decay
    )
    kind = "constant_with_warmup" if arm.is_constant else settings.lr_scheduler_type
    schedule = get_scheduler(kind, optimizer, int(np.ceil(num_steps * settings.warmup_steps)), num_steps)
    marks = {round(num_steps * (NUM_CHECKPOINTS - k) / NUM_CHECKPOINTS) for k in range(NUM_AVERAGED)}
    total = [torch.zeros_like(parameter) for parameter in model.parameters()]
    model.train()
    for step, rows in enumerate(order, 1):
        optimizer.zero_grad()
        torch.autograd.backward(mean_loss(model, collate(encoded, rows, bench.tokenizer.pad_token_id)))
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        optimizer.step()
        schedule.step()
        if step in marks:
            for summed, parameter in zip(total, model.parameters(), strict=True):
                summed.add_(parameter.detach())
    averaged = _copied(model)
    with torch.no_grad():
        for parameter, summed in zip(averaged.parameters(), total, strict=True):
            parameter.copy_(summed / len(marks))
    return Trained(model, averaged)


def mean_loss(model: CausalModel, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Loss over the tokens that have one, as the model's own; others have no logits, which are most of the work."""
    hidden = model.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    targets = batch["labels"][:, 1:]
    has_loss = targets != NO_LOSS
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[:, :-1][has_loss]), targets[has_loss])


def right_answers(model: CausalModel, items: Items) -> NDArray[np.uint8]:
    """Whether each item is answered right, [num_items]."""
    return np.asarray(choice_likelihoods(model, items).argmax(axis=1) == items.gold, dtype=np.uint8)


def choice_likelihoods(model: CausalModel, items: Items) -> NDArray[np.float64]:
    """Log-likelihood of each choice after each item's prompt, [num_items, num_choices]."""
    model.eval()
    found = np.zeros((len(items.gold), len(items.choices)))
    by_length = np.argsort(items.prompts.lengths, kind="stable")
    for begin in range(0, len(by_length), _BATCH_ITEMS):
        places = by_length[begin : begin + _BATCH_ITEMS]
        batch = collate(items.prompts, places, pad_id=0)
        with torch.no_grad():
            hidden = model.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
            # What comes before the last two tokens, the choice and the end, is the prompt.
            last = hidden[torch.arange(len(places)), torch.from_numpy(items.prompts.lengths[places] - 3)]
            logits = torch.log_softmax(model.lm_head(last).double(), -1)
        found[places] = logits[:, torch.from_numpy(items.choices)].numpy()
    return found


def read_items(ground: Ground, tokenizer: PreTrainedTokenizerBase) -> Items:
    asked, choices = ground.items(), list(ground.case.choices)
    rows = [row for _, row, _ in asked]
    longest = tokenizer.model_max_length if tokenizer.model_max_length < 10**6 else 10**6
    tokens = tokenizer(choices, add_special_tokens=False)["input_ids"]
    assert all(len(one) == 1 for one in tokens), "each choice is a word of its own"
    return Items(
        encode([row["prompt"] for row in rows], [row["completion"] for row in rows], tokenizer, " ", longest),
        np.array([one[0] for one in tokens]),
        np.array([choices.index(row["completion"]) for row in rows]),
        np.array([task if is_target else f"{task}_others" for task, _, is_target in asked]),
        np.array([is_target for _, _, is_target in asked]),
    )


def fresh(bench: Bench, seed: int) -> CausalModel:
    """An untrained model with weights of this seed."""
    folder = bench.work / "fresh"
    build(bench.settings, bench.ground, folder, seed)
    return _loaded(folder)


def build(settings: LoopSettings, ground: Ground, folder: Path, seed: int) -> None:
    assert isinstance(settings.model, ScratchModel), "others_data trains from nothing"
    build_scratch(settings.model, _pool(ground.corpus), settings.train.max_length, folder, seed)


def _pool(rows: Sequence[Row]) -> TrainPool:
    return TrainPool(Dataset.from_list([dict(row) for row in rows]), Rendering())


def _encoded(mix: Rows, tokenizer: PreTrainedTokenizerBase, max_length: int) -> TokenRows:
    prompts, completions = ([row[field] for row in mix.rows] for field in ("prompt", "completion"))
    return encode(prompts, completions, tokenizer, " ", max_length)


def _loaded(folder: Path) -> CausalModel:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _copied(model: CausalModel) -> CausalModel:
    made = type(model)(model.config)
    made.load_state_dict(model.state_dict())
    return made


if __name__ == "__main__":
    main()
