"""Put a question in other words that a user declares: format strings with the same slots.

A prompt is in a wording where it fits the whole of it in one way only; else the values of its slots are unknown.
A variant must give the same values back, so that it asks what its parent asks.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Formatter


@dataclass(frozen=True)
class Wording:
    """One format string, such as `sort {letters} please`."""

    text: str

    @property
    def slots(self) -> frozenset[str]:
        return frozenset(name for _, name, _, _ in Formatter().parse(self.text) if name is not None)

    @property
    def num_literal(self) -> int:
        """Number of characters outside slots: of several wordings that fit, the one with most is meant."""
        return sum(len(literal) for literal, *_ in Formatter().parse(self.text))

    def values(self, prompt: str) -> Mapping[str, str] | None:
        """Value of each slot; None where the prompt does not fit, or fits in more than one way."""
        # The shortest and the longest first slot are the same only where there is one way, and so for the next ones.
        short, long = self._short.fullmatch(prompt), self._long.fullmatch(prompt)
        if short is None or long is None or short.groupdict() != long.groupdict():
            return None
        return short.groupdict()

    def begins(self, query: str) -> bool:
        """Whether the text is a prompt of this wording, alone or followed by an answer."""
        return self._with_answer.fullmatch(query) is not None

    def filled(self, values: Mapping[str, str]) -> str | None:
        """Fill the slots with these values; None where they could not be read back from the prompt."""
        prompt = self.text.format(**values)
        return prompt if self.values(prompt) == values else None

    @cached_property
    def _short(self) -> re.Pattern[str]:
        return re.compile(self._pattern(".+?"), re.DOTALL)

    @cached_property
    def _long(self) -> re.Pattern[str]:
        return re.compile(self._pattern(".+"), re.DOTALL)

    @cached_property
    def _with_answer(self) -> re.Pattern[str]:
        return re.compile(rf"{self._pattern('.+?')}(?:\s.*)?", re.DOTALL)

    def _pattern(self, value: str) -> str:
        parts, seen = [], set()
        for literal, name, _, _ in Formatter().parse(self.text):
            parts.append(re.escape(literal))
            if name is not None:
                parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{value})")
                seen.add(name)
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class Reworded:
    prompt: str
    wording: Wording


@dataclass(frozen=True, slots=True)
class Wordings:
    """Groups of wordings that ask the same; `make_wordings` builds them from `interventions.wordings`."""

    groups: tuple[tuple[Wording, ...], ...]

    def variants(self, prompt: str) -> list[Reworded]:
        """Put the prompt into all other wordings of its groups."""
        found = []
        for group in self.groups:
            own = _fullest([wording for wording in group if wording.values(prompt) is not None])
            values = own.values(prompt) if own is not None else None
            for wording in group:
                if values is not None and wording is not own and (other := wording.filled(values)) is not None:
                    found.append(Reworded(other, wording))
        return [one for one in found if one.prompt != prompt]

    def used_by(self, queries: Sequence[str]) -> dict[Wording, int]:
        """Count the texts, each a prompt and its answer, that use each wording."""
        counts: dict[Wording, int] = {}
        for query in queries:
            for group in self.groups:
                own = _fullest([wording for wording in group if wording.begins(query)])
                if own is not None:
                    counts[own] = counts.get(own, 0) + 1
        return counts

    def groups_of(self, queries: Sequence[str]) -> "Wordings":
        """Groups whose wordings at least half of the texts use, each text a prompt and its answer."""
        used = self.used_by(queries)
        counts = [sum(used.get(wording, 0) for wording in group) for group in self.groups]
        return Wordings(
            tuple(group for group, count in zip(self.groups, counts, strict=True) if 0 < len(queries) <= 2 * count)
        )

    def has(self, prompt: str) -> bool:
        """Whether the prompt is in one of the wordings."""
        return any(wording.values(prompt) is not None for group in self.groups for wording in group)


def make_wordings(declared: Mapping[str, Sequence[str]]) -> Wordings:
    """Check and build `interventions.wordings`.

    Raises:
        ValueError: a name has fewer than two wordings, or its wordings have no slots, or not the same.
    """
    groups = []
    for name, texts in declared.items():
        key = f"interventions.wordings.{name}"
        for text in texts:
            _check_format(key, text)
        group = tuple(Wording(text) for text in dict.fromkeys(texts))
        if len(group) < 2:
            raise ValueError(
                f"{key} needs at least two wordings, got {list(texts)}; a prompt in one of them gets variants in the "
                "others"
            )
        for wording in group[1:]:
            if wording.slots != group[0].slots:
                raise ValueError(
                    f"{key} needs the same slots in each wording, got {_slots_of(group[0])} and "
                    f"{_slots_of(wording)}; name what stays the same alike"
                )
        groups.append(group)
    return Wordings(tuple(groups))


def _check_format(key: str, text: str) -> None:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{key} holds no format string: '{text}' ({error}); write {{{{ for a brace") from None
    named = [(name, spec, how) for _, name, spec, how in parts if name is not None]
    if not named:
        raise ValueError(
            f"{key} needs a slot for what differs between prompts, got '{text}'; for example 'sort {{letters}}'"
        )
    for name, spec, how in named:
        if not name.isidentifier() or spec or how:
            raise ValueError(f"{key}: slots must be plain names, got '{text}'; for example 'sort {{letters}}'")


def _slots_of(wording: Wording) -> str:
    return f"{', '.join(sorted(wording.slots))} in '{wording.text}'"


def _fullest(fitting: Sequence[Wording]) -> Wording | None:
    return max(fitting, key=lambda wording: wording.num_literal, default=None)
