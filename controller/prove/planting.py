"""Plant the defects of a scenario in a world's rows and items, and keep the truth beside them.

Pure functions of world, scenario and seed, a second at most. The loop is given files of `train`, `pool` and `items`
only; nothing in a row says that it was tampered with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from random import Random

from controller.prove.scenario import Defects, Scenario
from evals.fixtures.worlds.world import Asking, Exercise, Skill, World

Row = dict[str, str]
"""Prompt, completion and the world's fields; the prompt of a plain text is its first part."""

ITEMS, TARGET_ITEMS = 300, 900
OTHERS = "others"
"""Name of the task with the items of all skills but the target: a guard needs more items than one skill has."""


@dataclass(frozen=True, slots=True)
class Planted:
    """Data that the loop is given, and the truth that it is not given."""

    train: tuple[Row, ...]
    pool: tuple[Row, ...]
    items: Mapping[str, tuple[Row, ...]]
    """Items by skill, and those of `others`."""
    repaired: tuple[Row, ...]
    """Corpus without the defects, on which the oracle is trained."""
    honest: Mapping[str, str]
    """Prompt of each cued item to the same prompt with a cue that is right. Not for the loop."""
    leaked: frozenset[tuple[str, str]]
    """Prompt and completion of every row that repeats an item. Not for the loop."""
    wrong: frozenset[tuple[str, str]]
    """Prompt and completion of every row of the corpus that has the answer of a misreading. Not for the loop."""
    skill_of: Mapping[str, str]
    """Skill by prompt, of every row of corpus and pool as they stand. Not for the loop."""


@dataclass(frozen=True, slots=True)
class _SkillData:
    train: list[Row]
    repaired: list[Row]
    pool: list[Row]
    items: list[Row]
    honest: dict[str, str]
    leaked: list[Row]
    wrong: list[tuple[str, str]]


def plant(world: World, scenario: Scenario, seed: int) -> Planted:
    """Plant the defects; corpus, pool and repaired corpus are in random order."""
    defects = {
        name: whole.at(scenario.intensity, world.skill(name).train)
        for name, whole in ((world.target, scenario.target), (world.second, scenario.second))
    }
    share = scenario.scaled(scenario.train_share)
    parts = {
        skill.name: _plant_skill(world, skill, defects.get(skill.name, Defects()), seed, share)
        for skill in world.skills
    }
    _cut(parts, {name: planted.pool_share for name, planted in defects.items() if planted.pool_share is not None})
    _set_trap(world, parts, defects[world.target], seed)
    skill_of = {row["prompt"]: name for name, part in parts.items() for row in (*part.train, *part.pool)}
    train = [row for part in parts.values() for row in part.train]
    for name, planted in defects.items():
        train += _flood(parts[name].train, planted, len(train), seed)
    rng = Random(f"{seed}/order")
    pool = [row for part in parts.values() for row in part.pool] if scenario.has_pool else []
    repaired = [row for part in parts.values() for row in part.repaired]
    for rows in (train, pool, repaired):
        rng.shuffle(rows)
    items = {name: tuple(part.items) for name, part in parts.items()}
    items[OTHERS] = tuple(row for name, rows in items.items() if name != world.target for row in rows)
    honest = {wrong: right for part in parts.values() for wrong, right in part.honest.items()}
    leaked = frozenset((row["prompt"], row["completion"]) for part in parts.values() for row in part.leaked)
    wrong = frozenset(row for part in parts.values() for row in part.wrong)
    return Planted(tuple(train), tuple(pool), items, tuple(repaired), honest, leaked, wrong, skill_of)


def _cut(parts: Mapping[str, "_SkillData"], shares: Mapping[str, float]) -> None:
    """Cut the pool's rows of these skills down to their shares of the pool."""
    num_others = sum(len(part.pool) for name, part in parts.items() if name not in shares)
    for name, share in shares.items():
        del parts[name].pool[round(share / (1 - sum(shares.values())) * num_others) :]


def _plant_skill(world: World, skill: Skill, defects: Defects, seed: int, train_share: float) -> _SkillData:
    num_items = round(world.scale * _num_items(world, skill))
    num_offered = round(world.scale * defects.pool_rows)
    exercises = _distinct(skill, num_items + num_offered + skill.train, seed)
    tested = exercises[:num_items]
    more = exercises[num_items : num_items + num_offered]
    taught = exercises[num_items + num_offered :]
    # A generator for each defect: one more defect leaves the others where they are.
    kept = taught[: defects.train_rows] if defects.train_rows is not None else taught
    kept = kept[: round(train_share * defects.kept_share * len(kept))]
    is_misread = _misread(kept, defects, Random(f"{seed}/{skill.name}/misread"))
    train = _rows(world, skill, kept, is_misread)
    repaired, pool = _rows(world, skill, taught), _rows(world, skill, more)
    is_wrong = _chosen(len(tested), defects.wrong_gold_share, Random(f"{seed}/{skill.name}/gold"))
    items = _rows(world, skill, tested, is_wrong)
    if defects.chance_share:
        for part, rows in (("train", train), ("pool", pool), ("repaired", repaired), ("items", items)):
            _by_chance(rows, _choices(world), defects.chance_share, Random(f"{seed}/{skill.name}/chance/{part}"))
    honest: dict[str, str] = {}
    if defects.is_cued:
        cued = _asking(world).cued
        rng = Random(f"{seed}/{skill.name}/cue")
        is_shown = _chosen(len(train), defects.cued_share, Random(f"{seed}/{skill.name}/shown"))
        train = [
            row | {"prompt": cued(row["prompt"], row["completion"])} if shown else row
            for row, shown in zip(train, is_shown, strict=True)
        ]
        truthful = [cued(row["prompt"], row["completion"]) for row in items]
        repaired, items = _miscued(world, skill, repaired, rng), _miscued(world, skill, items, rng)
        honest = {row["prompt"]: prompt for row, prompt in zip(items, truthful, strict=True)}
        half = len(pool) // 2
        pool = _miscued(world, skill, pool[:half], rng) + pool[half:]
    if defects.is_dressed:
        train, pool = _dressed(world, train), _dressed(world, pool)
    wrong = [(row["prompt"], row["completion"]) for row, is_wrong in zip(train, is_misread, strict=True) if is_wrong]
    leaked = [
        row if is_verbatim else row | {"prompt": world.reworded(row["prompt"])}
        for row, is_verbatim in zip(items[: defects.leaked_items], cycle((True, False)), strict=False)
    ]
    return _SkillData(train + leaked, repaired, pool + leaked, items, honest, leaked, wrong)


def _num_items(world: World, skill: Skill) -> int:
    if world.asking is None:
        # A text is as likely as its skill is frequent: more items of one than rows would be a lack of rows.
        return (TARGET_ITEMS + ITEMS * (len(world.skills) - 1)) // len(world.skills)
    return TARGET_ITEMS if skill.name == world.target else ITEMS


def _misread(exercises: Sequence[Exercise], defects: Defects, rng: Random) -> list[bool]:
    """Choose the exercises whose answer is misread, at random among all or among those of one kind."""
    if not defects.is_misread_in_one_kind or not exercises:
        return _chosen(len(exercises), defects.misread_share, rng)
    kind = min(exercise.kind for exercise in exercises)
    own = [place for place, exercise in enumerate(exercises) if exercise.kind == kind]
    chosen = {own[k] for k, is_in in enumerate(_chosen(len(own), defects.misread_share, rng)) if is_in}
    return [place in chosen for place in range(len(exercises))]


def _by_chance(rows: list[Row], choices: Sequence[str], share: float, rng: Random) -> None:
    """Give some of the rows each other's answers, in place; where there are choices, any of these."""
    chosen = [place for place, is_in in enumerate(_chosen(len(rows), share, rng)) if is_in]
    answers = [rng.choice(choices) if choices else rows[place]["completion"] for place in chosen]
    rng.shuffle(answers)
    for place, answer in zip(chosen, answers, strict=True):
        rows[place] = rows[place] | {"completion": answer}


def _miscued(world: World, skill: Skill, rows: Sequence[Row], rng: Random) -> list[Row]:
    """Put a wrong cue in each row: the answer of another row of the skill, or another choice."""
    answers = list(_choices(world)) or [row["completion"] for row in rows]
    made = []
    for row in rows:
        shown = rng.choice(answers)
        while skill.accepts(row["prompt"], shown):
            shown = rng.choice(answers)
        made.append(row | {"prompt": _asking(world).cued(row["prompt"], shown)})
    return made


def _set_trap(world: World, parts: Mapping[str, _SkillData], defects: Defects, seed: int) -> None:
    """Give rows of the pool that are marked as the target's a prompt of the second skill with a misread answer."""
    pool = parts[world.target].pool
    number = round(defects.trap_share * len(pool))
    skill = world.skill(world.second)
    known = {row["prompt"] for part in parts.values() for row in [*part.train, *part.pool, *part.items]}
    rng = Random(f"{seed}/trap")
    for place in rng.sample(range(len(pool)), number):
        exercise = skill.make(rng)
        while exercise.prompt in known:
            exercise = skill.make(rng)
        known.add(exercise.prompt)
        pool[place] = pool[place] | {"prompt": exercise.prompt, "completion": exercise.misread}


def _flood(rows: Sequence[Row], defects: Defects, num_rows: int, seed: int) -> list[Row]:
    """Copy a few rows, as often as makes up their share of `num_rows` rows and themselves."""
    if not defects.flood_share:
        return []
    copied = Random(f"{seed}/flood").sample(list(rows), defects.flood_rows)
    number = round(defects.flood_share / (1 - defects.flood_share) * num_rows)
    return [row for row, _ in zip(cycle(copied), range(number), strict=False)]


def _rows(
    world: World, skill: Skill, exercises: Sequence[Exercise], is_misread: Sequence[bool] | None = None
) -> list[Row]:
    """Make rows of the exercises, with the answer of the misreading where `is_misread` says so."""
    rows = []
    for exercise, wrong in zip(exercises, is_misread or [False] * len(exercises), strict=True):
        fields = {"skill": skill.name, "kind": exercise.kind}
        answer = exercise.misread if wrong else exercise.completion
        rows.append({"prompt": exercise.prompt, "completion": answer} | {name: fields[name] for name in world.fields})
    return rows


def _dressed(world: World, rows: Sequence[Row]) -> list[Row]:
    dressed = _asking(world).dressed
    return [row | {"completion": dressed(row["completion"])} for row in rows]


def _asking(world: World) -> Asking:
    assert world.asking is not None, "a scenario of answers is refused where there are none"
    return world.asking


def _choices(world: World) -> tuple[str, ...]:
    return world.asking.choices if world.asking is not None else ()


def _chosen(number: int, share: float, rng: Random) -> list[bool]:
    """Choose exactly this share of `number` places, at random."""
    chosen = set(rng.sample(range(number), round(share * number)))
    return [place in chosen for place in range(number)]


def _distinct(skill: Skill, number: int, seed: int) -> list[Exercise]:
    # A generator of its own: the rows of one skill do not move when another's number changes.
    rng = Random(f"{seed}/{skill.name}")
    found: dict[str, Exercise] = {}
    for _ in range(200 * number):
        if len(found) == number:
            return list(found.values())
        exercise = skill.make(rng)
        found.setdefault(exercise.prompt, exercise)
    raise ValueError(
        f"prove.scenario: skill {skill.name} has no {number} different prompts (rows to train on, pool_rows and "
        "items); lower pool_rows"
    )
