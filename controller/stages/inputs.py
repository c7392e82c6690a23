"""What a diagnosis and a plan are made from, on disk, and what of it a worker opens."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from controller.data.tables import load_pool
from controller.loop.attempts import Tried
from controller.stages.model_questions import ModelResources
from diagnose.diagnoser import Diagnoser
from diagnose.finding.finding import Diagnosis
from diagnose.model.checkpoint import Checkpoint
from diagnose.rows.pool import TrainPool
from evals.leaks.item_index import load_index
from evals.model_ref import ModelRef
from evals.suite import EvalSuite
from interventions.admission.gate import Stock, take_stock
from interventions.plan.step import Intervention

INDEX_FILE = "index.npz"


@dataclass(frozen=True, slots=True)
class DiagnosisInputs:
    """What a diagnosis is made from, on disk."""

    diagnoser: Diagnoser
    report: Path
    """Read as a `ProbeReport`, which refuses items of other splits."""
    corpus: Path
    pool: Path | None
    item_fields: Sequence[str]
    row_fields: Sequence[str]
    guards: Sequence[str]
    index: Path
    """Of `hash_items`."""
    suite: EvalSuite
    """To ask probe items again under other prompts."""
    items_key: str
    max_length: int
    end_in_loss: bool | None
    """Whether the model's training saw the end token in the loss; None where it was trained elsewhere."""
    seed: int

    def load_pool(self) -> TrainPool | None:
        return load_pool(self.pool) if self.pool is not None else None


@dataclass(frozen=True, slots=True)
class PlanInputs:
    intervention: Intervention
    """The kind of fix."""
    inputs: DiagnosisInputs
    """Of the diagnosis; controls may ask the same of other methods."""
    diagnosis: Path
    """Folder of `diagnosis.json`."""
    tried: Tried
    """What this champion was already tried with."""
    checkpoints: Sequence[Checkpoint]
    """Of the champion, itself the last."""
    seed: int
    """Of the draws."""

    @property
    def model(self) -> ModelRef:
        """The champion."""
        return self.checkpoints[-1].model

    def load_diagnosis(self) -> Diagnosis:
        return TypeAdapter(Diagnosis).validate_json((self.diagnosis / "diagnosis.json").read_bytes())

    def take_stock(self) -> Stock:
        """Corpus, pool and gate; looks at every row."""
        index = load_index(self.inputs.index / INDEX_FILE)
        return take_stock(load_pool(self.inputs.corpus), self.inputs.load_pool(), index, self.intervention.licences)

    def ask_model(self) -> ModelResources:
        """The champion, to be asked about rows; counts what it was asked."""
        return ModelResources(
            self.load_diagnosis(),
            self.diagnosis,
            self.checkpoints,
            load_pool(self.inputs.corpus),
            self.inputs.diagnoser.influence,
            self.inputs.max_length,
            self.inputs.seed,
            self.inputs.diagnoser.max_rows,
        )
