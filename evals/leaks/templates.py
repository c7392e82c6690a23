"""Templates that a suite declares, to recognise the same content in other words: such texts are near copies.

A rule is a list of patterns with named groups, its slots. Two texts that match patterns of one rule with the same
slot values are near copies, whatever else their words are. Patterns match the whole of a text that `normalise` has
made plain: lower case, single spaces, no prose punctuation.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Templates:
    """Compiled rules; `make_templates` builds them from `evals.templates`."""

    rules: tuple[tuple[str, tuple[re.Pattern[str], ...]], ...]

    def canonical(self, text: str) -> str:
        """Rule and slot values of a normalised text that matches a pattern, else the text itself."""
        for name, patterns in self.rules:
            for pattern in patterns:
                if found := pattern.fullmatch(text):
                    slots = sorted((slot, value) for slot, value in found.groupdict().items() if value is not None)
                    return f"{name}\x00" + "\x00".join(f"{slot}\x01{value}" for slot, value in slots)
        return text


NO_TEMPLATES = Templates(())


def make_templates(rules: Mapping[str, Sequence[str]]) -> Templates:
    """Compile `evals.templates`.

    Raises:
        ValueError: a pattern is no regular expression, or has no named group and would make all its texts one.
    """
    compiled = []
    for name, patterns in rules.items():
        for pattern in patterns:
            try:
                slots = re.compile(pattern).groupindex
            except re.error as error:
                raise ValueError(f"evals.templates.{name} holds no regular expression: '{pattern}' ({error})") from None
            if not slots:
                raise ValueError(
                    f"evals.templates.{name} needs named groups for what differs between items, got '{pattern}'; "
                    "for example 'sort (?P<letters>.+)'"
                )
        compiled.append((name, tuple(re.compile(pattern) for pattern in patterns)))
    return Templates(tuple(compiled))
