"""Four small worlds for the proving ground; two of them are kept for judging."""

from collections.abc import Mapping

from evals.worlds.commands import COMMANDS
from evals.worlds.grammar import GRAMMAR
from evals.worlds.skills import SKILLS
from evals.worlds.tables import TABLES
from evals.worlds.world import Exercise, Skill, World

__all__ = ["WORLDS", "Exercise", "Skill", "World"]

WORLDS: Mapping[str, World] = {world.name: world for world in (SKILLS, COMMANDS, TABLES, GRAMMAR)}
