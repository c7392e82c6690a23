"""bergson: TrackStar (arXiv 2410.17413), projected gradients and a Fisher matrix mixed of rows and queries."""

from pathlib import Path

import numpy as np
from bench_attribution import BATCH_ROWS
from bergson.cli.trackstar import trackstar
from bergson.config.config import DataConfig, QuerySetConfig, TrackstarConfig, TrackstarIndexConfig
from bergson.data import load_scores
from datasets import Dataset
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from attribution_peers.rows import as_dataset
from diagnose.rows.tokens import TokenRows


def score(model: PreTrainedModel, train: TokenRows, queries: TokenRows, folder: Path) -> NDArray[np.float64]:
    model_path, train_path, query_path = (str(folder / name) for name in ("model", "train", "queries"))
    num_tokens = BATCH_ROWS * int(train.lengths.max())
    # It takes no batch of more tokens than the model's context; Llama has no weight for that length.
    model.config.max_position_embeddings = num_tokens
    model.save_pretrained(model_path)
    # It loads a tokenizer even where the rows are tokens already.
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"?": 0}, unk_token="?"))).save_pretrained(model_path)
    _save(train, train_path)
    _save(queries, query_path)
    run_path = folder / "run"
    trackstar(
        TrackstarIndexConfig(
            run_path=str(run_path),
            model=model_path,
            data=DataConfig(dataset=train_path),
            token_batch_size=num_tokens,
        ),
        TrackstarConfig(query=QuerySetConfig(dataset=query_path)),
    )
    scores: NDArray[np.float64] = load_scores(run_path / "scores")[:].astype(np.float64)
    return scores


def _save(rows: TokenRows, path: str) -> None:
    input_ids, labels = as_dataset(rows).tensors
    columns = {"input_ids": input_ids.tolist(), "labels": labels.tolist(), "length": rows.lengths.tolist()}
    Dataset.from_dict(columns).save_to_disk(path)
