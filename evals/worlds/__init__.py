"""Four small worlds for the proving ground; two of them are kept for judging, one for diagnoses and one for fixes."""

from collections.abc import Mapping

from evals.worlds.commands import COMMANDS
from evals.worlds.grammar import GRAMMAR
from evals.worlds.skills import SKILLS
from evals.worlds.tables import TABLES
from evals.worlds.world import Exercise, Skill, World

__all__ = ["FIT_WORLDS", "WORLDS", "Exercise", "Skill", "World"]

WORLDS: Mapping[str, World] = {world.name: world for world in (SKILLS, COMMANDS, TABLES, GRAMMAR)}

FIT_WORLDS = ("skills", "commands")
"""What is fitted or tuned looks at these alone. `grammar` is kept for judging diagnoses, `tables` for judging fixes,
and each opening of them is noted in docs/LOG.md."""
