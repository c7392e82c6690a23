"""Stage that proposes: the plan, what it changes, and the mixes of the fix, of its reductions and of its controls.

Nothing is trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter
from transformers import PreTrainedTokenizerBase

from controller.data.mixes import load_pool, save_mix
from controller.data.patches import num_of_corpus, write_patch
from controller.engine.budget import FORWARD, FORWARD_BACKWARD, Spent
from controller.results.arm_names import CHALLENGER, CONTINUE, WITHOUT, file_name
from controller.stages.diagnose import case_of
from controller.stages.inputs import PlanInputs
from controller.stages.measure import INDEX_FILE
from controller.stages.model_resources import ModelResources
from controller.train.sampling import expected_tokens
from controller.train.start import load_tokenizer
from diagnose.finding.finding import Diagnosis
from diagnose.model.losses import row_losses
from diagnose.rows.rendering import encode_pool
from evals.leaks.item_index import load_index
from interventions.admission.gate import take_stock
from interventions.arms.reductions import OptionalStep, Reduction, optional_steps, reductions
from interventions.controls import control_of
from interventions.controls.contest import Contest
from interventions.mix.compose import compose
from interventions.mix.mix import TrainingMix
from interventions.plan.plan import Action, Plan
from interventions.plan.step import Declined
from interventions.proposal import NothingToDo, Proposal, plan_fix
from interventions.proposal import propose as propose_plan

PATCH_FILE = "patch.parquet"


@dataclass(frozen=True, slots=True)
class ControlMade:
    """Control that stands in the place of the fix, made once the plan is known."""

    name: str
    """Name of the control, as `interventions.controls.control_of` takes it."""
    what: str
    """Description of what the control trains on, or reason why this data allows no such control."""
    has_mix: bool
    spent: Spent
    """Cost of choosing its rows."""
    draws: tuple[int, ...] = ()
    """Number of rows of each of its mixes: one mix for each training seed where it draws by chance, else one for all of
    them."""


@dataclass(frozen=True, slots=True)
class ReducedMade:
    """A plan without some of its optional steps: an arm that shows the effect of these."""

    name: str
    """Name of the arm, and of the folder of its mix."""
    left_out: tuple[int, ...]
    """Places of the steps left out among the optional steps."""
    actions: tuple[Action, ...]
    """Actions that are left."""
    num_rows: int
    """Number of rows of its mix."""


@dataclass(frozen=True, slots=True)
class Proposed:
    num_rows: int
    """Number of rows of the challenger's mix, an epoch; 0 when nothing is changed."""
    num_left: int
    """Number of these that are of the corpus, or made in the place of some of it."""
    num_added: int
    """Number of these that are new, not in the place of others."""
    mean_tokens: float
    """Mean tokens of a draw from the mix."""
    action_tokens: tuple[int, ...]
    """Tokens of the rows that each action adds, once each."""
    controls: tuple[ControlMade, ...]
    """Controls that were made; none when nothing is changed."""
    spent: Spent
    """Cost of choosing rows of the fix."""
    optional: tuple[OptionalStep, ...] = ()
    """Optional steps, which can be left out."""
    reduced: tuple[ReducedMade, ...] = ()
    """Reduced plans: without each of the optional steps, and without all."""


def propose(folder: Path, made_from: PlanInputs, controls: Sequence[str], num_draws: int) -> Proposed:
    """Write `plan.json` and, when the plan changes something, a folder with the mix of the challenger, of each reduced
    plan and of each control.

    Args:
        made_from: Inputs of the plan.
        controls: Names of controls.
        num_draws: Number of mixes of a control that draws by chance, one for each training seed.
    """
    found, model_resources = made_from.load_diagnosis(), made_from.model_resources()
    resources = partial(made_from.resources, model_resources)
    proposal = propose_plan(made_from.intervention, found, resources)
    if isinstance(proposal, NothingToDo):
        write_plan(proposal.plan, folder)
        if proposal.plan.blocked:
            inputs = made_from.inputs
            stock = take_stock(load_pool(inputs.corpus.folder), None, load_index(inputs.index.folder / INDEX_FILE))
            save_arm(compose((), stock), folder / CONTINUE)
        return Proposed(0, 0, 0, 0.0, (), (), model_resources.spent)
    optional = optional_steps(proposal)
    reduced = reductions(proposal, optional)
    made = []
    for name, one in zip(reduced_names(optional, reduced), reduced, strict=True):
        save_arm(one.proposal.mix, folder / name)
        made.append(ReducedMade(name, one.left_out, one.proposal.plan.actions, len(one.proposal.mix.weights)))
    proposed = save_proposal(folder, proposal, found, made_from, model_resources, controls, num_draws)
    return replace(proposed, optional=optional, reduced=tuple(made))


def propose_reduced(
    folder: Path, made_from: PlanInputs, left_out: tuple[int, ...], controls: Sequence[str], num_draws: int
) -> Proposed:
    """Propose the plan without some of its optional steps, as `propose` does, with controls that match what is left."""
    found, model_resources = made_from.load_diagnosis(), made_from.model_resources()
    resources = made_from.resources(model_resources)
    proposal = plan_fix(made_from.intervention, found, resources)
    assert isinstance(proposal, Proposal), "the whole plan was made before"
    of_all = reductions(proposal, optional_steps(proposal))
    one = next(one for one in of_all if one.left_out == left_out)
    return save_proposal(folder, one.proposal, found, made_from, model_resources, controls, num_draws)


def save_proposal(
    folder: Path,
    proposal: Proposal,
    found: Diagnosis,
    made_from: PlanInputs,
    model_resources: ModelResources,
    controls: Sequence[str],
    num_draws: int,
) -> Proposed:
    """Write plan, patch and the mixes of challenger and controls."""
    inputs, model = made_from.inputs, made_from.model
    corpus, tokenizer = load_pool(inputs.corpus.folder), load_tokenizer(model.ref)
    spent = model_resources.spent  # without what controls cost
    write_plan(proposal.plan, folder)
    save_arm(proposal.mix, folder / CHALLENGER)
    write_patch(proposal.mix, proposal.removed, corpus, folder / PATCH_FILE)
    contest = Contest(
        intervention=made_from.intervention,
        diagnosis=found,
        plan=proposal.plan,
        mix=proposal.mix,
        resources=proposal.resources,
        row_fields=tuple(inputs.row_fields),
        max_rows=inputs.diagnoser.max_rows,
        row_losses=lambda rows: row_losses(
            model.ref, encode_pool(rows, tokenizer, inputs.max_length), inputs.diagnoser.influence.batch_tokens
        ),
        without_influence=lambda: inputs.diagnoser.diagnose_by_words(case_of(inputs), found),
    )
    made = tuple(_made(name, contest, num_draws, folder, model.num_parameters, model_resources) for name in controls)
    return Proposed(
        num_rows=len(proposal.mix.weights),
        num_left=num_of_corpus(proposal.mix),
        num_added=proposal.num_added,
        mean_tokens=expected_tokens(tokenizer, proposal.mix, inputs.max_length),
        action_tokens=_tokens_by_reason(proposal, tokenizer, inputs.max_length),
        controls=made,
        spent=spent,
    )


def reduced_names(optional: Sequence[OptionalStep], reduced: Sequence[Reduction]) -> list[str]:
    """Name the arms: `without-clean`, with a number where several steps are of that kind, and `without-all`."""
    kinds = [step.kind for step in optional]
    numbered = [
        kind if kinds.count(kind) == 1 else f"{kind}-{kinds[: place + 1].count(kind)}"
        for place, kind in enumerate(kinds)
    ]
    return [f"{WITHOUT}{numbered[one.left_out[0]] if len(one.left_out) == 1 else 'all'}" for one in reduced]


def write_plan(plan: Plan, folder: Path) -> None:
    (folder / "plan.json").write_bytes(TypeAdapter(Plan).dump_json(plan))


def draw_name(control: str, draw: int) -> str:
    """Name of the folder of a control's mix for the training seed at place `draw`: `random`, `random-2`, ..."""
    name = file_name(control)
    return name if draw == 0 else f"{name}-{draw + 1}"


def _made(
    name: str, contest: Contest, num_draws: int, folder: Path, model_size: int, model_resources: ModelResources
) -> ControlMade:
    before = model_resources.num_tokens
    control = control_of(name)
    assert control is not None, "settings were checked"
    done = [control.mix(replace(contest, draw=draw)) for draw in range(num_draws if control.is_by_chance else 1)]
    # A control that plans as the fix does takes the model's resources too.
    num_tokens = model_resources.num_tokens - before
    flops = FORWARD_BACKWARD * model_size * num_tokens
    if isinstance(done[0], Declined):
        return ControlMade(name, done[0].reason, has_mix=False, spent=Spent(tokens=num_tokens, flops=flops))
    mixes = [one for one in done if not isinstance(one, Declined)]
    for draw, one in enumerate(mixes):
        save_arm(one.mix, folder / draw_name(name, draw))
    chosen = sum(one.num_tokens for one in mixes)
    return ControlMade(
        name=name,
        what=_what([one.what for one in mixes]),
        has_mix=True,
        spent=Spent(tokens=num_tokens + chosen, flops=flops + FORWARD * model_size * chosen),
        draws=tuple(len(one.mix.weights) for one in mixes),
    )


def _what(draws: Sequence[str]) -> str:
    """Describe the draws of a control: once where they read alike."""
    if len(draws) == 1:
        return draws[0]
    if len(set(draws)) == 1:
        return f"{draws[0]}, anew for each training"
    return "; ".join(f"training {number}: {what}" for number, what in enumerate(draws, 1))


def save_arm(mix: TrainingMix, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    save_mix(mix, folder)


def _tokens_by_reason(proposal: Proposal, tokenizer: PreTrainedTokenizerBase, max_length: int) -> tuple[int, ...]:
    """Count tokens of the rows of each action, once each; rows carry the reason of their action."""
    mix = proposal.mix
    lengths = encode_pool(mix.examples, tokenizer, max_length).lengths
    of_reason = {origin.reason: place for place, origin in enumerate(mix.origins)}
    return tuple(int(lengths[mix.origin == of_reason.get(a.why, -1)].sum()) for a in proposal.plan.actions)


MIX_FOLDER = "mix"


@dataclass(frozen=True, slots=True)
class DoseMade:
    num_rows: int
    """Number of rows of the mix; 0 where there is none."""
    num_added: int
    """Number of these that are new, not in the place of others."""
    reason: str
    """Reason why there is no mix; empty where there is one."""
    spent: Spent
    """Cost of choosing rows."""


def make_dose(folder: Path, made_from: PlanInputs, dose: float) -> DoseMade:
    """Write the mix of the plan with `dose` times its added rows to the stage's folder."""
    model_resources = made_from.model_resources()
    resources = made_from.resources(model_resources)
    done = plan_fix(made_from.intervention, made_from.load_diagnosis(), resources, dose)
    if isinstance(done, NothingToDo):
        return DoseMade(0, 0, done.plan.reason, model_resources.spent)
    save_arm(done.mix, folder / MIX_FOLDER)
    return DoseMade(len(done.mix.weights), done.num_added, "", model_resources.spent)
