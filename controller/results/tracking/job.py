"""What a command asked for, as far as the settings do not tell it: the choices of groups, and what a sweep varies."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Job:
    """A command, or one job of a sweep."""

    command: str = ""
    """Command that does this job alone; empty where a program called."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """Chosen file of each group: model, corpus, interventions, verify, experiment."""
    swept: tuple[str, ...] = ()
    """Settings in which the jobs of the sweep differ, `key=value`; empty without a sweep."""
    sweep: str | None = None
    """Name of the sweep; None for a command that is none."""

    @property
    def swept_keys(self) -> tuple[str, ...]:
        return tuple(word.partition("=")[0].lstrip("+~") for word in self.swept)

    def run_name(self, name: str, key: str) -> str:
        """Name of the run: what was swept, else the experiment's name and the short hash of its settings."""
        return " ".join(self.swept) or f"{name} {key[:8]}"
