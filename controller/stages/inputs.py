"""Inputs of a diagnosis and of a plan, on disk, and how a worker opens them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from controller.data.mixes import load_pool
from controller.engine.artifacts import Artifact, Data
from controller.stages.measure import INDEX_FILE, PinnedSuite
from controller.stages.model import Model
from controller.stages.model_resources import ModelResources
from diagnose.diagnoser import Diagnoser
from diagnose.finding.finding import Diagnosis
from diagnose.rows.pool import TrainPool
from evals.leaks.item_index import load_index
from interventions.admission.gate import take_stock
from interventions.plan.attempts import Attempts
from interventions.plan.step import Intervention, Resources

DIAGNOSIS_FILE = "diagnosis.json"
_DIAGNOSIS = TypeAdapter(Diagnosis)


def save_diagnosis(diagnosis: Diagnosis, folder: Path) -> None:
    (folder / DIAGNOSIS_FILE).write_bytes(_DIAGNOSIS.dump_json(diagnosis))


def load_diagnosis(folder: Path) -> Diagnosis:
    return _DIAGNOSIS.validate_json((folder / DIAGNOSIS_FILE).read_bytes())


@dataclass(frozen=True, slots=True)
class DiagnosisInputs:
    """Everything that a diagnosis is made from, on disk."""

    diagnoser: Diagnoser
    report: Artifact
    """Folder of a report that is read as a `ProbeReport`, which refuses items of other splits."""
    model: Model
    """Model that is diagnosed; its corpus is what it was trained on."""
    corpus: Data
    pool: Data | None
    item_fields: Sequence[str]
    row_fields: Sequence[str]
    guards: Sequence[str]
    index: Artifact
    """Result of `hash_items`."""
    suite: PinnedSuite
    """Suite of the probe items, which tests put under other prompts."""
    max_length: int
    end_in_loss: bool | None
    """Whether the model's training saw the end token in the loss; None where it was trained elsewhere."""
    seed: int
    is_training_data: bool = True
    """Whether the model is known to have been trained on `corpus`."""

    def load_pool(self) -> TrainPool | None:
        return load_pool(self.pool.folder) if self.pool is not None else None


@dataclass(frozen=True, slots=True)
class PlanInputs:
    intervention: Intervention
    """Fix that makes the plan."""
    inputs: DiagnosisInputs
    """Inputs of the diagnosis; controls may diagnose the same by other methods."""
    programs: str | None
    """Hash of the user's programs that the fix may run; None where it runs none."""
    diagnosis: Artifact
    """Folder of `diagnosis.json`."""
    attempts: Attempts
    """Earlier attempts with this champion."""
    seed: int
    """Seed of the draws."""

    @property
    def model(self) -> Model:
        """Model that the plan is for, the champion."""
        return self.inputs.model

    def load_diagnosis(self) -> Diagnosis:
        return load_diagnosis(self.diagnosis.folder)

    def resources(self, of_model: ModelResources) -> Resources:
        """Make all resources of the fix; reads every row of corpus and pool."""
        corpus, index = load_pool(self.inputs.corpus.folder), load_index(self.inputs.index.folder / INDEX_FILE)
        stock = take_stock(corpus, self.inputs.load_pool(), index, self.intervention.licences)
        return of_model.resources(stock, self.attempts, self.seed)

    def model_resources(self) -> ModelResources:
        """Make the resources that a fix has of the champion; they count its tokens."""
        return ModelResources(
            self.load_diagnosis(),
            self.diagnosis.folder,
            self.model,
            load_pool(self.inputs.corpus.folder),
            self.inputs.diagnoser.influence,
            self.inputs.max_length,
            self.inputs.seed,
            self.inputs.diagnoser.max_rows,
        )
