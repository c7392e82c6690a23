"""The arms of a round: the challenger and the controls that `verify.arms` names.

`random` trains on the challenger's tokens, to test whether it is the right data. `random@compute` trains for longer,
until it has cost what the fix has cost, to test whether the loop pays. With `verify.match=compute` every control does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from controller.results.arm_names import AT_COMPUTE, CONTINUE, LOOP
from interventions.controls import CONTROLS


@dataclass(frozen=True, slots=True)
class ControlArm:
    name: str
    """Name in `loop.json`: the control, with `@compute` where it has the challenger's FLOPs."""
    control: str
    """Key of `interventions.controls.CONTROLS`, which chooses the data."""

    @property
    def is_compute(self) -> bool:
        return self.name.endswith(AT_COMPUTE)


def control_arms(names: Sequence[str], match: str) -> tuple[ControlArm, ...]:
    """Parse the controls of `verify.arms`, in that order.

    Raises:
        ValueError: a name is unknown or given twice, or `continue` is missing.
    """
    arms: dict[str, ControlArm] = {}
    for name in names:
        if name == LOOP:
            continue
        control = name.removesuffix(AT_COMPUTE)
        if control not in CONTROLS:
            known = [*CONTROLS, LOOP]
            near = get_close_matches(control, known, n=1)
            hint = (
                f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}, each also with {AT_COMPUTE}"
            )
            raise ValueError(f"unknown arm '{name}' in verify.arms; {hint}")
        if match == "compute" and name != control:
            raise ValueError(
                f"verify.match=compute matches every arm's compute already, got '{name}' in verify.arms; "
                f"write '{control}', or set verify.match=tokens"
            )
        full = f"{control}{AT_COMPUTE}" if match == "compute" else name
        if full in arms:
            raise ValueError(f"verify.arms names '{name}' twice; more trainings of an arm are verify.seeds")
        arms[full] = ControlArm(full, control)
    if (CONTINUE if match == "tokens" else f"{CONTINUE}{AT_COMPUTE}") not in arms:
        raise ValueError(
            f"verify.arms must hold '{CONTINUE}', got [{', '.join(names)}]; guards are held against the old data "
            f"trained on: verify.arms=[{', '.join([CONTINUE, *names])}]"
        )
    return tuple(arms.values())


def arm_tokens(arm: ControlArm, tokens: int, *, finding_flops: float, choosing_flops: float, token_flops: float) -> int:
    """Count the tokens that each training of a control has.

    At equal compute these are the challenger's, and those that diagnosis and proposal of the round would have paid for,
    less the cost of choosing the control's rows. A user of the loop pays for the diagnosis once and trains one model in
    the end, so each seed gets all of it.

    Args:
        arm: The control.
        tokens: Tokens of the challenger.
        finding_flops: FLOPs of diagnosis and proposal, synthesis included.
        choosing_flops: FLOPs that the control took to choose its rows.
        token_flops: FLOPs of a token of training.
    """
    if not arm.is_compute:
        return tokens
    return tokens + max(0, round((finding_flops - choosing_flops) / token_flops))
