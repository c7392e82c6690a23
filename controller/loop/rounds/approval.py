"""Have a person approve a proposal before anything of it is trained (`controller.approval=ask`).

The question stands in `approvals.jsonl` of the run directory, once the loop has left all that the person reads, and is
bound to the content of the proposal: the plan, and every row of its mix with its weight. The same command, once there
is an answer, makes the same proposal of what the journal holds and finds the answer; a proposal that has become another
one, as by a new version of the code, is asked about anew. An answer holds whatever the setting is by then. What the
proposal rests on, small trainings included, is made before.
"""

import logging
from collections.abc import Sequence

from pydantic import TypeAdapter

from controller.data.patches import changes_by_source
from controller.engine.hashes import fingerprint, hash_of
from controller.engine.journal.approvals import APPROVALS_FILE, Answer, find_answer, withdraw
from controller.engine.journal.changes import Changeable
from controller.loop.proposing import ProposedRound
from controller.loop.run import Run
from controller.loop.trial.judged import arm_trials
from controller.loop.trial.mixes import MixTrial, forecast, has_begun
from controller.results.loop_json import ApprovalRecord
from controller.results.page.approval import cost_words
from controller.results.page.words.numbers import NBSP
from controller.stages.propose import PATCH_FILE
from interventions.plan.attempts import LEAST_TAKEN
from interventions.plan.plan import Plan

log = logging.getLogger(__name__)


def approval_of(run: Run, proposal: ProposedRound, number: int) -> ApprovalRecord | None:
    """Find out whether a proposal that changes something may be trained, or whether a person has to be asked.

    A round whose trainings have begun is not asked about: what would be approved is done.

    Returns:
        The question, with the answer where there is one; None where nobody is asked and nobody has answered.

    Raises:
        BudgetSpent: the trainings would pass a limit, so there is nothing to approve.
    """
    trials = arm_trials(run, proposal)
    is_asked = run.settings.controller.asks and not has_begun(run, proposal, number, trials[0])
    if not is_asked and not (run.run_dir / APPROVALS_FILE).is_file():
        return None
    content = content_hash(proposal, number)
    if not is_asked:
        withdraw(run.run_dir, number)
    answer = find_answer(run.run_dir, number, content)
    if answer is None and not is_asked:
        return None
    record = _question(run, proposal, trials, content, answer)
    if answer is None:
        run.books.check(f"round {number}", record.tokens, record.flops)
        log.info("round %d waits for approval: %s", number, cost_words(record).replace(NBSP, " "))
    else:
        withdraw(run.run_dir, number)  # a question about what the proposal was before
        log.info("round %d: %s", number, answer.in_words)
    return record


def content_hash(proposal: ProposedRound, number: int) -> str:
    """Hash what an answer is bound to: the plan with where and how far its arms are trained, and the rows of its mix,
    not the code that made them."""
    plan = TypeAdapter(Plan).dump_python(proposal.plan, mode="json")
    how = [proposal.from_base, proposal.made_from.attempts.interpolation]
    return hash_of([number, plan, how, fingerprint(proposal.artifact.folder / PATCH_FILE)])


def _question(
    run: Run, proposal: ProposedRound, trials: Sequence[MixTrial], content: str, answer: Answer | None
) -> ApprovalRecord:
    trainings = forecast(run, proposal, trials)
    return ApprovalRecord(
        proposal=content,
        num_trainings=trainings.num_trainings,
        most_trainings=trainings.most_trainings,
        tokens=trainings.tokens,
        flops=trainings.flops,
        seconds=trainings.seconds,
        sources=changes_by_source(proposal.artifact.folder / PATCH_FILE),
        answer=answer,
        changeable=changeable(proposal.plan),
    )


def changeable(plan: Plan) -> Changeable:
    """Say what of a plan an approval may leave out: actions, and draws as far as it is still trained on."""
    least = min(1.0, LEAST_TAKEN / plan.taken) if plan.taken > 0 else 1.0
    return Changeable(plan.distinct_keys, least)
