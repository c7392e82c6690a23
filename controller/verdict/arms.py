"""The arms of a round: the challenger and the controls that `verify.arms` names.

`random` trains on the challenger's tokens, to test whether it is the right data. `random@compute` trains for longer,
until it has cost what the fix has cost, to test whether the loop pays. With `verify.match=compute` every control does.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from controller.results.arm_names import AT_COMPUTE, CONTINUE, LOOP
from interventions.controls import CONTROLS, FROM, control_of, source_of

_SHOWN = 8
"""Most sources that a message lists."""


@dataclass(frozen=True, slots=True)
class ControlArm:
    name: str
    """Name in `loop.json`: the control, with `@compute` where it has the challenger's FLOPs."""
    control: str
    """Name of the control that chooses the data, as `interventions.controls.control_of` takes it."""

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
        if control_of(control) is None:
            known = [*CONTROLS, LOOP, f"{FROM}SOURCE"]
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


def num_by_chance(arms: Sequence[ControlArm]) -> int:
    """Count the arms whose trainings each draw rows of their own."""
    controls = [control_of(arm.control) for arm in arms]
    return sum(control is not None and control.is_by_chance for control in controls)


def check_arm_sources(arms: Sequence[ControlArm], sources: Collection[str]) -> None:
    """Raise a ValueError where an arm is named after a source that no row comes from."""
    for arm in arms:
        source = source_of(arm.control)
        if source is not None and source not in sources:
            near = get_close_matches(source, sources, n=1)
            known = ", ".join(sorted(sources)[:_SHOWN])
            hint = f"did you mean '{FROM}{near[0]}'?" if near else f"they come from {known}"
            raise ValueError(f"verify.arms names '{arm.name}', and no row comes from the source '{source}'; {hint}")


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
