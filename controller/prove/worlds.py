"""Find the world that a run is about: a made one, or one of real data that is read from a folder."""

from pathlib import Path

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
