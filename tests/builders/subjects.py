"""A failing slice with its items and rows, made on the spot, and a model that answers by a rule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from builders.items import probe_report, result
from builders.pools import train_pool
from diagnose.case import Case
from diagnose.evidence.from_rows.amounts import count_copies
from diagnose.evidence.subject import Rows, Subject
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice, row_table
from evals.items import Answered, Edited, Item, ItemResult
from evals.leaks.item_index import index_items

SLICE = Slice(((PROMPT_CONTAINS, "sort"),))


def subject(
    results: Sequence[ItemResult],
    corpus: Sequence[tuple[str, str]],
    pool: Sequence[tuple[str, str]] = (),
    effect: Sequence[float] | None = None,
    fair_share: float = 0.5,
    where: Slice | None = SLICE,
    sources: Sequence[str] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Subject:
    """The first failing slice: of the results those with `sort` in their prompt, and the rows that `where` names.

    `sources` name the source of each row of the corpus, `weights` how often a row of each is drawn.
    """
    rows = [*corpus, *pool]
    corpus_pool = replace(train_pool(corpus, sources or "train", name="train"), source_weights=weights or {})
    case = Case(
        probe=probe_report(results),
        corpus=corpus_pool,
        pool=train_pool(pool, "pool") if pool else None,
        item_fields=(),
        row_fields=(),
        guards=(),
        index=index_items([]),
        seed=0,
    )
    table = row_table(train_pool(rows, "all"), ())
    members = np.zeros(len(rows), bool) if where is None else table.members(where)
    effects = np.ones(len(rows)) if effect is None else np.array(effect)
    in_slice = [r for r in results if "sort" in r.item.prompt]
    return Subject(
        case=case,
        number=0,
        failed=[r for r in in_slice if r.is_failed],
        passed=[r for r in in_slice if not r.is_failed],
        others=[r for r in results if "sort" not in r.item.prompt],
        where=where,
        num_rows=int(members[: len(corpus)].sum()),
        num_pool=int(members[len(corpus) :].sum()),
        fair_share=fair_share,
        rows=Rows(
            prompts=[prompt for prompt, _ in rows],
            completions=[completion for _, completion in rows],
            numbers=np.arange(len(rows)),
            in_pool=np.arange(len(rows)) >= len(corpus),
            copies=count_copies(corpus_pool, np.arange(len(corpus))),
            losses=np.tile(np.array([2.0, 1.0], np.float32), (len(rows), 1)),
            effect=effects.astype(np.float32)[:, None],
        ),
        members=members,
    )


@dataclass
class Answering:
    """A model that is a function of the prompt."""

    answer: Callable[[str], str]
    num_tokens: int = 0
    asked: list[str] = field(default_factory=list)

    def can_ask(self, item: Item) -> bool:
        return bool(item.prompt)

    def has_room(self, edit: Edited) -> bool:
        return len(edit.prompt.split()) < 20

    def ask(self, edits: Sequence[Edited]) -> list[ItemResult | None]:
        self.asked += [edit.prompt for edit in edits]
        return [result(edit.prompt, edit.item.target, self.answer(edit.prompt)) for edit in edits]

    def score(self, answered: Sequence[Answered]) -> list[ItemResult | None]:
        """A scorer that takes the gold answer and no other."""
        return [result(given.item.prompt, given.item.target, given.answer) for given in answered]


LETTERS = "abcdefgh"


def words(number: int, rng: np.random.Generator) -> str:
    """So many letters in a random order, none twice."""
    return " ".join(rng.choice(list(LETTERS), number, replace=False).tolist())


def sorted_rows(number: int, seed: int = 0) -> list[tuple[str, str]]:
    """Prompts that ask to sort four letters, each with its answer."""
    rng = np.random.default_rng(seed)
    prompts = [words(4, rng) for _ in range(number)]
    return [(f"sort {p}", " ".join(sorted(p.split()))) for p in prompts]
