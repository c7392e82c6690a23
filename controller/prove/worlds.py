"""Find the world that a run is about, a made one or one of real data that is read from a folder, and check that what is
planted has a meaning there."""

from collections.abc import Iterator
from pathlib import Path

from controller.prove.settings import ProveSettings
from evals.fixtures.real import REAL_WORLDS
from evals.fixtures.worlds import WORLDS
from evals.fixtures.worlds.world import World
from evals.validation import one_of


def find_world(name: str, data: str | None) -> World:
    """World of this name.

    Args:
        name: `prove.world`.
        data: `prove.data`, the folder with the data of real worlds.

    Raises:
        ValueError: there is no such world, or the data of a real one is not there.
    """
    if name in WORLDS:
        return WORLDS[name]
    one_of("prove.world", name, (*WORLDS, *REAL_WORLDS))
    if data is None:
        raise ValueError(
            f"prove.data is unset, and the world {name} is made of real data: name the folder that holds it"
        )
    try:
        return REAL_WORLDS[name](Path(data))
    except FileNotFoundError as error:
        raise ValueError(f"prove.data={data} has no {Path(error.filename).relative_to(data)}") from None


def meaningless(settings: ProveSettings, world: World) -> str | None:
    """Why a scenario has no meaning in a world: defects of answers, where items are plain text and nothing is asked.
    None where it has one."""
    defect = next(_defects_of_answers(settings), None)
    if world.asking is not None or defect is None:
        return None
    return (
        f"{defect} has no meaning in the world {world.name}: its items are plain text, and no answer is asked that "
        "could be shown, dressed, wrong or without an end; choose another scenario or world"
    )


def _defects_of_answers(settings: ProveSettings) -> Iterator[str]:
    scenario = settings.prove.scenario
    for side, defects in (("target", scenario.target), ("second", scenario.second)):
        for key in ("is_cued", "is_dressed", "wrong_gold_share"):
            if value := getattr(defects, key):
                yield f"prove.scenario.{side}.{key}={value}"
    if not settings.train.end_in_loss:
        yield "train.end_in_loss=False"
