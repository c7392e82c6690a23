"""Score items under other prompts or with given answers, to tell a cue or a format from a lack of data.

Requests are lm-eval's own with another context; filters and metrics are the task's. Costs one generation, or one
forward pass for each choice, per item; the model is loaded at first use. Given answers need no model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from lm_eval.api.instance import Instance
from lm_eval.models.utils import normalize_gen_kwargs

from evals.harness.answers import answer
from evals.harness.backends.local import LocalModel, load_local
from evals.harness.loading import LoadedSuite
from evals.harness.process import harness_seeds, quieten, templates_compiled_once
from evals.harness.scoring.results import score_answers, score_items
from evals.items import Answered, Edited, Item, ItemResult, OutputType
from evals.model_ref import CausalModel, ModelRef
from evals.splits import Split


@dataclass
class Asker:
    """Asks probe items of a suite under other prompts."""

    model: ModelRef
    suite: LoadedSuite = field(repr=False)
    load: Callable[[], CausalModel] | None = field(default=None, repr=False)
    """Gives the model's weights where they are in memory already."""
    num_tokens: int = 0
    """Tokens of prompts and answers so far."""
    _lm: LocalModel | None = field(default=None, repr=False)

    def can_ask(self, item: Item) -> bool:
        """Whether all requests of the item have its prompt as their context; not so where each choice has its own."""
        sent = self.suite.requests.get(item.key, ())
        return bool(item.prompt) and bool(sent) and all(instance.args[0] == item.prompt for instance in sent)

    def has_room(self, edit: Edited) -> bool:
        """Whether the context holds the prompt with the longest answer; else it would lose its beginning."""
        lm = self._loaded()
        sent = self.suite.requests[edit.item.key]
        longest = max(
            normalize_gen_kwargs(instance.args[1], lm.max_gen_toks)["max_gen_toks"]
            if instance.request_type == OutputType.GENERATE_UNTIL
            else len(lm.tok_encode(instance.args[1]))
            for instance in sent
        )
        return bool(len(lm.tok_encode(edit.prompt)) + longest <= lm.max_length)

    def ask(self, edits: Sequence[Edited]) -> list[ItemResult | None]:
        """Ask each item under its edited prompt.

        Raises:
            PermissionError: an item is not a probe item.
            ValueError: an item cannot be asked under another prompt.
        """
        if not edits:
            return []
        _check_probe([edit.item for edit in edits])
        if unasked := [edit.item for edit in edits if not self.can_ask(edit.item)]:
            raise ValueError(f"{unasked[0].key} has no single prompt that could be edited")
        lm = self._loaded()
        before = lm.num_tokens
        sent = [
            [replace(one, arguments=(edit.prompt, *one.args[1:])) for one in self.suite.to_send(edit.item)]
            for edit in edits
        ]
        with harness_seeds():
            answer(lm, [instance for instances in sent for instance in instances])
        self.num_tokens += lm.num_tokens - before
        return self._scored([replace(edit.item, prompt=edit.prompt) for edit in edits], sent)

    def score(self, answered: Sequence[Answered]) -> list[ItemResult | None]:
        """Score given answers, as the task's filters leave them, in their order; None without a finite score.

        Raises:
            PermissionError: an item is not a probe item.
            ValueError: an item is not answered by writing.
        """
        _check_probe([given.item for given in answered])
        if unwritten := [given.item for given in answered if given.item.output_type is not OutputType.GENERATE_UNTIL]:
            raise ValueError(f"{unwritten[0].key} has no written answer that could be scored")
        sent = [self.suite.to_send(given.item) for given in answered]
        return self._scored([given.item for given in answered], sent, [given.answer for given in answered])

    def _scored(
        self, items: Sequence[Item], sent: Sequence[Sequence[Instance]], answers: Sequence[str] | None = None
    ) -> list[ItemResult | None]:
        """Score the model's own answers, which the requests hold, or the given ones."""
        found: dict[int, ItemResult] = {}
        with templates_compiled_once():
            for task in dict.fromkeys(item.task for item in items):
                places = [k for k, item in enumerate(items) if item.task == task]
                # Ids tell the answers apart where an item is asked twice.
                asked = [replace(items[k], id=str(k)) for k in places]
                leaf, settings, own = self.suite.leaves[task], self.suite.settings[task], [sent[k] for k in places]
                if answers is None:
                    results = score_items(settings, leaf, asked, own)
                else:
                    results = score_answers(settings, leaf, asked, own, [answers[k] for k in places])
                for result in results:
                    place = int(result.item.id)
                    found[place] = replace(result, item=replace(result.item, id=items[place].id))
        return [found.get(k) for k in range(len(items))]

    def _loaded(self) -> LocalModel:
        if self._lm is None:
            quieten()
            weights = self.load() if self.load is not None else None
            self._lm = load_local(self.model, self.suite.suite, weights)
        return self._lm


def _check_probe(items: Sequence[Item]) -> None:
    if foreign := [item for item in items if item.split is not Split.PROBE]:
        raise PermissionError(f"only probe items may be asked again, got {foreign[0].key}")
