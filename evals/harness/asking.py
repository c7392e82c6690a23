"""The same items under other prompts: what a diagnosis asks to tell a cue or a format from a lack of data.

Requests are lm-eval's own with another context; filters and metrics are the task's. Costs one generation, or one
forward pass for each choice, an item; the model is loaded at the first question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lm_eval.api.instance import Instance
from lm_eval.models.utils import normalize_gen_kwargs

from evals.harness.answers import CountingModel, answer, load_model
from evals.harness.loading import LoadedSuite
from evals.harness.process import harness_seeds, quieten, templates_compiled_once
from evals.harness.results import score_items
from evals.items import Edited, Item, ItemResult, OutputType
from evals.model_ref import ModelRef
from evals.splits import Split


@dataclass
class Asker:
    """Asks probe items of a suite under other prompts."""

    model: ModelRef
    suite: LoadedSuite = field(repr=False)
    num_tokens: int = 0
    """Of prompts and answers, so far."""
    _lm: CountingModel | None = field(default=None, repr=False)

    def can_ask(self, item: Item) -> bool:
        """Whether the prompt stands in every request alone and in front; not so where each choice has its own."""
        sent = self.suite.requests.get((item.task, item.id), ())
        return bool(item.prompt) and bool(sent) and all(instance.args[0] == item.prompt for instance in sent)

    def has_room(self, edit: Edited) -> bool:
        """Whether the context holds the prompt with the longest answer; else it would lose its beginning."""
        lm = self._loaded()
        sent = self.suite.requests[edit.item.task, edit.item.id]
        longest = max(
            normalize_gen_kwargs(instance.args[1], lm.max_gen_toks)["max_gen_toks"]
            if instance.request_type == OutputType.GENERATE_UNTIL
            else len(lm.tok_encode(instance.args[1]))
            for instance in sent
        )
        return bool(len(lm.tok_encode(edit.prompt)) + longest <= lm.max_length)

    def ask(self, edits: Sequence[Edited]) -> list[ItemResult | None]:
        """Results in the order of the edits, each with the item as it was asked; None without a finite score.

        Raises:
            PermissionError: an item is not a probe item.
            ValueError: an item cannot be asked under another prompt.
        """
        if not edits:
            return []
        if foreign := [edit.item for edit in edits if edit.item.split is not Split.PROBE]:
            raise PermissionError(f"only probe items may be asked again, got {foreign[0].task}/{foreign[0].id}")
        if unasked := [edit.item for edit in edits if not self.can_ask(edit.item)]:
            raise ValueError(f"{unasked[0].task}/{unasked[0].id} has no single prompt that could be edited")
        lm = self._loaded()
        before = lm.num_tokens
        sent = [[_edited(i, edit.prompt) for i in self.suite.requests[edit.item.task, edit.item.id]] for edit in edits]
        with harness_seeds():
            answer(lm, [instance for instances in sent for instance in instances])
        self.num_tokens += lm.num_tokens - before
        found: dict[int, ItemResult] = {}
        with templates_compiled_once():
            for task in dict.fromkeys(edit.item.task for edit in edits):
                places = [k for k, edit in enumerate(edits) if edit.item.task == task]
                # Ids tell the answers apart where an item is asked twice.
                asked = [replace(edits[k].item, prompt=edits[k].prompt, id=str(k)) for k in places]
                leaf, metric = self.suite.leaves[task], self.suite.suite.metric
                for result in score_items(metric, leaf, asked, [sent[k] for k in places]):
                    place = int(result.item.id)
                    found[place] = replace(result, item=replace(result.item, id=edits[place].item.id))
        return [found.get(k) for k in range(len(edits))]

    def _loaded(self) -> CountingModel:
        if self._lm is None:
            quieten()
            self._lm = load_model(self.model, self.suite.suite.batch_size)
        return self._lm


def _edited(instance: Instance, prompt: str) -> Instance:
    return Instance(
        request_type=instance.request_type,
        doc=instance.doc,
        arguments=(prompt, *instance.args[1:]),
        idx=instance.idx,
        metadata=instance.metadata,
    )
