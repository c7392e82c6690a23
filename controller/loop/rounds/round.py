"""Play one round: measure, diagnose, propose, ask where a person is to approve, then train and judge."""

from dataclasses import dataclass, replace
from pathlib import Path

from controller.loop.diagnosing import DiagnosedRound, diagnose_round
from controller.loop.models import MeasuredModel, measure_model
from controller.loop.pilots.causes import settle_causes
from controller.loop.pilots.share import settle_share
from controller.loop.proposing import (
    ProposedRound,
    agree,
    changed_round,
    expected_look,
    leave_patch,
    plan_record,
    propose_round,
    spent_look,
)
from controller.loop.rounds.approval import approval_of
from controller.loop.rounds.attempts import attempts_after
from controller.loop.rounds.state import LoopState, model_folder, result_of
from controller.loop.run import Run
from controller.loop.studies.decontaminate import is_only_contaminated, scores_without_repeats
from controller.loop.studies.fidelity import prove_attribution
from controller.loop.studies.study import JudgedFix
from controller.loop.trial.judged import Earlier, try_and_judge
from controller.results.diagnosis_json import FidelityRecord
from controller.results.events import ItemsAnswered, ModelNamed, ProposalApproved, Tell
from controller.results.loop_json import ApprovalRecord, PlanRecord, Round
from controller.results.records import diagnosis_record, measure_record
from controller.results.verdict_json import Decision, VerdictRecord
from controller.stages.model import Model
from controller.verdict.steps import Candidate
from diagnose.finding.finding import NOT_DATA
from evals.splits import Split
from interventions.plan.attempts import Attempts


@dataclass(frozen=True, slots=True)
class PlayedRound:
    round: Round
    fidelity: FidelityRecord | None
    patch: Path | None
    """Table of what the plan changes; None where it changes nothing."""

    @property
    def waits(self) -> bool:
        """Whether a person has to approve its plan first."""
        return self.round.verdict.decision is Decision.AWAITING_APPROVAL


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a round ends."""

    proposal: ProposedRound
    """The proposal, or what was left of it."""
    plan: PlanRecord
    verdict: VerdictRecord
    approval: ApprovalRecord | None = None


def play_round(run: Run, base: Model, state: LoopState, number: int, tell: Tell) -> PlayedRound:
    """Play one round; its results are added to the state."""
    mark = run.books.mark()
    champion = state.champion
    probe = measure_model(run, champion, Split.PROBE, "measure-probe")
    tell(ItemsAnswered(Split.PROBE, number, "champion", None, probe.report.results))
    diagnosed = diagnose_round(run, champion, probe)
    diagnosed = settle_causes(run, champion, probe, diagnosed, state.first_round)
    is_proven = run.settings.diagnose.fidelity
    fidelity = prove_attribution(run, base, champion, diagnosed) if is_proven else None
    proposal = propose_round(run, champion, diagnosed, state.attempts, number)
    if proposal.plan.actions:
        proposal = settle_share(run, champion, probe, diagnosed, proposal, number)
        state.attempts = proposal.made_from.attempts
        ended = _with_a_plan(run, state, diagnosed, proposal, number, tell)
    else:
        verdict = _no_change(diagnosed, proposal)
        if is_only_contaminated(diagnosed.diagnosis):
            scores = scores_without_repeats(run, base, champion, probe, diagnosed.diagnosis, proposal)
            verdict = replace(verdict, reason=f"{verdict.reason}; measured again: {scores}")
        ended = _Ended(proposal, plan_record(proposal, None), verdict)
    leave_patch(ended.proposal, run.run_dir, number)
    round_ = Round(
        number=number,
        measure=measure_record(probe.report, run.suite.slices, run.splits),
        diagnosis=diagnosis_record(diagnosed.diagnosis, fidelity, diagnosed.pilot_share),
        plan=ended.plan,
        verdict=ended.verdict,
        costs=run.books.costs(since=mark),
        approval=ended.approval,
    )
    state.rounds.append(round_)
    patch = run.run_dir / f"mix-{number}.parquet"
    return PlayedRound(round_, fidelity, patch if patch.is_file() else None)


def _with_a_plan(
    run: Run, state: LoopState, diagnosed: DiagnosedRound, proposal: ProposedRound, number: int, tell: Tell
) -> _Ended:
    """Promise what the plan is to gain, and have it tried unless a person is to approve it first or has rejected it."""
    before = measure_model(run, state.champion, Split.SELECT, "measure-select")
    approval = approval_of(run, proposal, number)
    answer = approval.answer if approval is not None else None
    if answer is not None and answer.change:
        asked = proposal
        proposal = changed_round(run, state.champion, diagnosed, asked, answer.change, number)
        if not proposal.plan.actions:
            state.attempts = state.attempts.without(asked.plan.keys)
            verdict = _nothing_trained(Decision.NOT_APPROVED, f"{answer.in_words}; {proposal.plan.reason}")
            return _Ended(proposal, plan_record(proposal, None), verdict, approval)
        state.attempts = proposal.made_from.attempts
    earlier = {
        slices: found
        for (is_base, far, slices), found in state.variances.items()
        if (is_base, far) == (proposal.from_base, state.attempts.interpolation)
    }
    mended = tuple(where for agreed in state.promises for where in agreed.slices)
    is_tried = approval is None or (answer is not None and answer.is_approval)
    look = spent_look(run, proposal, before) if is_tried else expected_look(run, proposal, before)
    candidates = agree(run, proposal, before, look, earlier, state.start, mended)
    if is_tried:
        if answer is not None:
            tell(ProposalApproved(number, answer, result_of(run, state, "running")))
        return replace(_tried(run, state, proposal, candidates, before, earlier, number, tell), approval=approval)
    plan = plan_record(proposal, candidates[0].agreed)
    if answer is None:
        verdict = _nothing_trained(Decision.AWAITING_APPROVAL, "nothing of the plan is trained before it is approved")
    else:
        verdict = _nothing_trained(Decision.NOT_APPROVED, answer.in_words)
        state.attempts = state.attempts.without(proposal.plan.keys)
    return _Ended(proposal, plan, verdict, approval)


def _tried(
    run: Run,
    state: LoopState,
    proposal: ProposedRound,
    candidates: tuple[Candidate, ...],
    before: MeasuredModel,
    earlier: Earlier,
    number: int,
    tell: Tell,
) -> _Ended:
    """Train the arms and judge the fix; a new champion opens the next round."""
    champion = state.champion
    state.start = state.start or before.report
    judged = try_and_judge(run, proposal, candidates, before, earlier, number)
    if judged.proposal is proposal:
        state.fixes.append(JudgedFix(number, champion, proposal, judged.agreed, judged.arms))
    tell(ItemsAnswered(Split.SELECT, number, "before", None, before.report.results))
    for arm in judged.arms:
        for seed, report in enumerate(arm.reports):
            tell(ItemsAnswered(Split.SELECT, number, arm.name, seed, report.results))
    tell(ModelNamed(model_folder(judged.challenger), "challenger", number))
    state.challengers.append(judged.challenger)
    if judged.run_variance is not None:
        alike = (judged.proposal.from_base, state.attempts.interpolation, judged.agreed.slices)
        state.variances.setdefault(alike, []).append(judged.run_variance)
    if judged.champions:
        state.champion, state.champion_round, state.champions = judged.champions[0], number, judged.champions
        state.promises.append(judged.agreed)
        state.attempts = Attempts()
        tell(ModelNamed(model_folder(state.champion), "champion", number))
    else:
        state.attempts = attempts_after(state.attempts, proposal.plan, judged.verdict, proposal.from_base)
    return _Ended(judged.proposal, plan_record(judged.proposal, judged.agreed), judged.verdict)


def _no_change(diagnosed: DiagnosedRound, proposal: ProposedRound) -> VerdictRecord:
    findings = diagnosed.diagnosis.findings
    is_not_data = bool(findings) and all(finding.cause in NOT_DATA for finding in findings)
    decision = Decision.NOT_DATA if is_not_data else Decision.NOTHING_TO_DO
    return _nothing_trained(decision, proposal.plan.reason)


def _nothing_trained(decision: Decision, reason: str) -> VerdictRecord:
    return VerdictRecord(decision, reason, None, None, (), {}, (), None, None)
