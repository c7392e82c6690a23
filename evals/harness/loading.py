"""Load the items of a suite: lm-eval's documents with their prompts, requests, ids and splits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import lm_eval
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask, Task
from lm_eval.defaults import DEFAULT_OTHER_SEED

from evals.harness.chat import load_chat_tokenizer, named_template, renderer
from evals.harness.documents import digest, json_document, occurrence_ids
from evals.harness.process import harness_seeds, quieten, templates_compiled_once
from evals.harness.tasks import check_metrics, configure, find_tasks, load_tasks, naming_the_task, settings_of_leaves
from evals.items import Item, ItemKey, OutputType
from evals.leaks.near_copies import ItemText, split_keys
from evals.leaks.templates import make_templates
from evals.model_ref import ModelRef
from evals.splits import Split, split_of
from evals.suite import EvalSuite


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """The tasks of a suite with the items of all splits; for the controller only."""

    suite: EvalSuite
    items: tuple[Item, ...] = field(repr=False)
    """Items by task, in the order of `evals.tasks` and `evals.guards`, then by document."""
    tasks: tuple[str, ...]
    """Leaf tasks of `evals.tasks`."""
    guards: tuple[str, ...]
    """Leaf tasks of `evals.guards`."""
    versions: Mapping[str, str]
    """Versions of lm-eval and of each leaf task."""
    leaves: Mapping[str, Task] = field(repr=False, compare=False)
    requests: Mapping[ItemKey, Sequence[Instance]] = field(repr=False, compare=False)
    """Requests of each item, never answered themselves."""
    settings: Mapping[str, EvalSuite] = field(repr=False, compare=False)
    """Settings of each leaf task."""

    def to_send(self, item: Item) -> list[Instance]:
        """Copy the requests of an item: answers are appended to what is sent."""
        return [replace(request, resps=[], filtered_resps={}) for request in self.requests[item.key]]


@dataclass(frozen=True, slots=True)
class _Draft:
    """An item before its split and its prompt are known."""

    task: str
    source: Any
    """Document as the task has it."""
    document: Mapping[str, Any]
    text: str
    """Same as `Item.text`."""
    target: str
    digest: str


def load_suite(suite: EvalSuite, model: ModelRef | None = None) -> LoadedSuite:
    """Load every item of the suite's tasks and guards, with its prompt and its split.

    Args:
        model: Model whose chat template items are asked in, where `evals.apply_chat_template` wants one.

    Where a task draws few-shot examples from the items that it is evaluated on, only probe items are drawn,
    so that no prompt shows an item that diagnosis may not read.

    Raises:
        ValueError: a task is unknown, cannot be loaded (its files, its data, the hub), needs images, runs
            code, has no score for single items, or no task has `evals.metric` or `evals.filter`; or there is no
            chat template.
    """
    quieten()
    manager = find_tasks(suite)
    with harness_seeds(), templates_compiled_once():
        named = {name: load_tasks(manager, name) for name in [*suite.tasks, *suite.guards]}
        leaves = {leaf: task for group in named.values() for leaf, task in group.items()}
        tasks = tuple(dict.fromkeys(leaf for name in suite.tasks for leaf in named[name]))
        guards = tuple(dict.fromkeys(leaf for name in suite.guards for leaf in named[name]))
        if both := sorted(set(tasks) & set(guards)):
            raise ValueError(f"evals.guards repeats tasks of evals.tasks: {', '.join(both)}; name each once")
        settings = settings_of_leaves(suite, named)
        chats = _chats(settings, model)
        for leaf, task in leaves.items():
            configure(leaf, task, settings[leaf])
        check_metrics(settings, leaves)
        drafts = {leaf: _drafts(leaf, task, settings[leaf].limit) for leaf, task in leaves.items()}
        texts = [ItemText(d.task, d.text, d.target, d.digest) for leaf in leaves for d in drafts[leaf]]
        keys = iter(split_keys(texts, make_templates(suite.templates)))
        items: list[Item] = []
        requests: dict[ItemKey, Sequence[Instance]] = {}
        for leaf, task in leaves.items():
            own_keys = [next(keys) for _ in drafts[leaf]]
            chat = chats.get(settings[leaf].apply_chat_template)
            asked = _build_requests(task, settings[leaf], chat, drafts[leaf], own_keys)
            ids = occurrence_ids(draft.digest for draft in drafts[leaf])
            for draft, key, item_id, instances in zip(drafts[leaf], own_keys, ids, asked, strict=True):
                items.append(_item(task, draft, key, item_id, instances, is_chat=chat is not None))
                requests[ItemKey(leaf, item_id)] = instances
    versions = {"lm-eval": lm_eval.__version__} | {leaf: str(task.VERSION) for leaf, task in leaves.items()}
    versions |= {
        f"chat template {name}": sha256(chat.template.encode()).hexdigest()[:16] for name, chat in chats.items()
    }
    return LoadedSuite(suite, tuple(items), tasks, guards, versions, leaves, requests, settings)


@dataclass(frozen=True, slots=True)
class _Chat:
    template: str
    render: Callable[..., str]


def _chats(settings: Mapping[str, EvalSuite], model: ModelRef | None) -> dict[bool | str, _Chat]:
    """Templates by what chooses them; a tokenizer is loaded where there is a choice alone."""
    chosen = {own.apply_chat_template for own in settings.values()} - {False}
    if not chosen:
        return {}
    tokenizer = load_chat_tokenizer(model)
    templates = {choice: named_template(tokenizer, choice) for choice in sorted(chosen, key=str)}
    return {choice: _Chat(template, renderer(tokenizer, template)) for choice, template in templates.items()}


def _drafts(leaf: str, task: Task, limit: int | None) -> list[_Draft]:
    drafts = []
    with naming_the_task(leaf):
        for _, source in task.doc_iterator(limit=limit):
            text, target = task.doc_to_text(source), _target(task, source)
            if not isinstance(text, str):  # the gold number of a task whose choices are its contexts
                text = "\n".join(task.doc_to_choice(source))
            document = json_document(source if isinstance(source, Mapping) else {"text": source})
            drafts.append(_Draft(leaf, source, document, text or target, target, digest(document)))
    return drafts


def _target(task: Task, source: Any) -> str:
    """Gold text: the first of several, the gold one of choices, "" where the label is out of range."""
    target = task.doc_to_target(source)
    if isinstance(target, list):
        target = target[0] if target else ""
    has_choices = task.get_config("doc_to_choice") is not None and not getattr(task, "multiple_input", 0)
    if has_choices and isinstance(target, int):
        choices = task.doc_to_choice(source)
        return str(choices[target]) if 0 <= target < len(choices) else ""
    return str(target)


def _build_requests(
    task: Task, settings: EvalSuite, chat: _Chat | None, drafts: Sequence[_Draft], keys: Sequence[str]
) -> list[Sequence[Instance]]:
    """Build lm-eval's own requests for each document; few-shot examples are drawn once over all documents."""
    task.set_fewshot_seed(DEFAULT_OTHER_SEED)
    probe = [(key, d.source) for key, d in zip(keys, drafts, strict=True) if split_of(key) is Split.PROBE]
    draws_items = _draws_few_shots_from_items(task)
    requests: list[Sequence[Instance]] = []
    with naming_the_task(task.config.task):
        for number, (draft, key) in enumerate(zip(drafts, keys, strict=True)):
            if draws_items:
                task.sampler.replace_df([source for other, source in probe if other != key])
            context = task.fewshot_context(
                draft.source,
                num_fewshot=task.config.num_fewshot,
                system_instruction=settings.system_instruction,
                apply_chat_template=chat is not None,
                fewshot_as_multiturn=chat is not None and settings.fewshot_as_multiturn is not False,
                chat_template=chat.render if chat is not None else None,
                gen_prefix=task.doc_to_prefix(draft.source),
            )
            built = task.construct_requests(
                doc=draft.source,
                ctx=context,
                metadata=(task.config.task, number, task.config.repeats),
                apply_chat_template=chat is not None,
                chat_template=chat.render if chat is not None else None,
            )
            requests.append(built if isinstance(built, list) else [built])
    return requests


def _draws_few_shots_from_items(task: Task) -> bool:
    config = task.config
    if not isinstance(task, ConfigurableTask) or not config.num_fewshot:
        return False
    shots = task.fewshot_cfg
    if shots.split is None and shots.samples is not None:
        return False
    drawn = shots.split or config.training_split or config.validation_split or config.test_split
    return bool(drawn == (config.test_split or config.validation_split))


def _item(task: Task, draft: _Draft, key: str, item_id: str, instances: Sequence[Instance], *, is_chat: bool) -> Item:
    output_type = OutputType(task.OUTPUT_TYPE)
    target, delimiter = draft.target, _delimiter(task, is_chat)
    gold = task.doc_to_text(draft.source) if getattr(task, "multiple_input", 0) else 0
    prompt = "" if output_type is OutputType.LOGLIKELIHOOD_ROLLING else instances[gold].args[0]
    if output_type is OutputType.LOGLIKELIHOOD:  # lm-eval scores its target as it stands
        target = draft.target.lstrip()
        delimiter = draft.target[: len(draft.target) - len(target)]
    elif output_type is OutputType.LOGLIKELIHOOD_ROLLING:
        delimiter = ""
    return Item(
        task=draft.task,
        id=item_id,
        split_key=key,
        document=draft.document,
        prompt=prompt,
        target=target,
        delimiter=delimiter,
        output_type=output_type,
        question="" if draft.text == (prompt or target) else draft.text,
        is_chat=is_chat and output_type is not OutputType.LOGLIKELIHOOD_ROLLING,
    )


def _delimiter(task: Task, is_chat: bool) -> str:
    """Text between prompt and answer; after a template's own opening of the answer none, unless the task begins it."""
    delimiter = task.get_config("target_delimiter") or ""
    prefix = task.get_config("gen_prefix") or ""
    return delimiter if not is_chat or (prefix and not prefix[-1].isspace()) else ""
