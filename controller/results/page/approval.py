"""Say what waits for a person's approval, what it would take, and how to decide."""

import shlex

from controller.results.loop_json import ActionRecord, ApprovalRecord, LoopResult, PlanRecord, Round
from controller.results.page.words.numbers import NBSP, amount, duration, flops
from controller.results.page.words.sentences import changes, slice_words


def waiting_round(result: LoopResult) -> Round | None:
    """Round whose plan waits for approval; None where none does."""
    return result.rounds[-1] if result.status == "waiting" else None


def asked_words(plan: PlanRecord, approval: ApprovalRecord) -> str:
    """Say on one line what would be changed and what the trainings would take."""
    actions = "; ".join(
        f"{_place(action, approval)}{action.kind}, {changes(action)} where {slice_words(action.slice)}"
        for action in plan.actions
    )
    line = f"{actions}: {cost_words(approval)}".replace(NBSP, " ")
    return "".join(sign if sign.isprintable() else "?" for sign in line)


def _place(action: ActionRecord, approval: ApprovalRecord) -> str:
    """Number by which an approval may leave an action out, where there are others."""
    told, key = approval.changeable.actions, f"{action.kind}: {slice_words(action.slice)}"
    return f"{told.index(key)}: " if len(told) > 1 and key in told else ""


def cost_words(approval: ApprovalRecord) -> str:
    """Say what the trainings up to the first look would take, and how many there are up to the last."""
    time = f", about {duration(approval.seconds)}" if approval.seconds is not None else ""
    first = f"{approval.num_trainings} trainings, {amount(approval.tokens)} tokens, {flops(approval.flops)}{time}"
    most = approval.most_trainings
    return first if most == approval.num_trainings else f"{first}; up to {most} trainings where these do not decide"


def commands(round_: Round, run_dir: str) -> tuple[str, str]:
    """Commands that approve and reject the plan of a round, and no other.

    Args:
        round_: Round that waits.
        run_dir: Folder of its run.
    """
    assert round_.approval is not None, "a round that waits has asked"
    which = f"{shlex.quote(run_dir)} round={round_.number} proposal={round_.approval.proposal}"
    return f"evalmend approve {which}", f'evalmend reject {which} why="..."'
