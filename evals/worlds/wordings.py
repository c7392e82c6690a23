"""Two wordings of a question: how one is turned into the other, and how both are known to ask the same.

A wording is a template with named slots, from which the regular expression of a near-copy rule follows, so that
what rewords a prompt and what finds the rewording cannot drift apart.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """Templates of lower-case words and `{slot}`s, with the same slots on both sides."""

    plain: str
    other: str
    slots: Mapping[str, str]
    """Regular expression of each slot, without groups that capture."""

    @property
    def rule(self) -> tuple[str, str]:
        """Patterns that match a whole prompt, named groups holding the slots."""
        return self._pattern(self.plain), self._pattern(self.other)

    def _pattern(self, template: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda slot: f"(?P<{slot[1]}>{self.slots[slot[1]]})", template)


def reword(wordings: Sequence[Wording], prompt: str) -> str:
    """The prompt, which is in one of the plain wordings, in the other one."""
    for wording in wordings:
        if match := re.fullmatch(wording.rule[0], prompt):
            return wording.other.format(**match.groupdict())
    raise AssertionError(f"no wording of this world fits {prompt!r}")


def rules(wordings: Sequence[Wording]) -> tuple[tuple[str, ...], ...]:
    """`World.same`: a rule for each wording."""
    return tuple(wording.rule for wording in wordings)
