"""What is told of a loop, as JSON for programs and as a text for people."""

from typing import Any

from controller.results.page.words.labels import DECISIONS
from controller.results.page.words.numbers import signed, signed_interval
from service.runs.printing import printable
from service.store.loops import Loop
from service.store.notices import Kind, Notice

_TITLES = {
    Kind.VERDICT: "{loop} is over: {decision}",
    Kind.APPROVAL: "{loop} waits for a decision",
    Kind.FAILURE: "{loop} failed",
    Kind.WORSE: "{loop} is worse than the night before",
}


def as_json(notice: Notice, loop: Loop, server: str) -> dict[str, Any]:
    """A notice for programs; the same `id` once more is the same notice."""
    seen = loop.seen or {}
    return {
        "id": f"{notice.loop}/{notice.number}",
        "kind": notice.kind.value,
        "loop": loop.id,
        "recipe": loop.recipe,
        "schedule": loop.schedule,
        "state": loop.state.value,
        "decision": seen.get("decision") or None,
        "reason": seen.get("reason") or None,
        "gain": seen.get("gain"),
        "worse": list(seen.get("worse") or ()),
        "message": loop.message or None,
        "url": _page(notice, server),
        "time": notice.created,
    }


def title(notice: Notice, loop: Loop) -> str:
    """A notice on one line."""
    decision = str((loop.seen or {}).get("decision") or "ended")
    return _TITLES[notice.kind].format(loop=loop.id, decision=DECISIONS.get(decision, decision).lower())


def as_text(notice: Notice, loop: Loop, server: str) -> str:
    """A notice for people."""
    seen = loop.seen or {}
    lines = [f"{title(notice, loop)}.", ""]
    if gain := seen.get("gain"):
        interval = signed_interval(gain["low"], gain["high"])
        lines.append(f"Gain over the hardest control, {gain['control']}: {signed(gain['mean'])} {interval}.")
    if worse := seen.get("worse"):
        lines.append(f"Worse: {', '.join(map(str, worse))}.")
    if reason := seen.get("reason"):
        lines.append(f"{reason}.")
    if notice.kind is Kind.FAILURE and loop.message:
        lines += ["", loop.message]
    told = [printable(line) for text in [*lines, "", _page(notice, server)] for line in str(text).split("\n")]
    return "\n".join(told) + "\n"


def _page(notice: Notice, server: str) -> str:
    """Address of the page to look at."""
    return f"{server}/loops/{notice.loop}{'/proposal' if notice.kind is Kind.APPROVAL else ''}"
