"""What a night says of the one before it, in Markdown."""

from collections.abc import Sequence

from controller.cli.nights.compared import Answered, Compared
from controller.cli.nights.night_json import ALL, TaskChange, WorseSlice
from controller.results.page.words.labels import cause_words

SHOWN = 5
"""Most items of a kind that the summary shows."""


def since_lines(compared: Compared | None) -> list[str]:
    """Say in Markdown which items turned right or wrong between the models that two nights opened with; nothing of a
    first night."""
    if compared is None:
        return []
    lines = [
        f"## Since {compared.since}",
        "",
        *_alarm(compared.changes),
        "The model that this night opened with, against that of the night before, on the same probe items:",
        "",
        "| task | items | before | now | change, 95 % | turned right | turned wrong |",
        "|---|---|---|---|---|---|---|",
        *(_row(change) for change in compared.changes if change.task != ALL),
        *(_row(change) for change in compared.changes if change.task == ALL),
        "",
        *_shown("Turned right", compared.turned_right),
        *_shown("Turned wrong", compared.turned_wrong),
    ]
    if compared.num_left_out:
        lines.append(f"{compared.num_left_out} items that only one of the two answered are left out.")
    return [
        *lines,
        "The interval takes items as a sample and both models as they are. A fix may have been made for these very "
        "items: whether it helped is for the verdict, on others.",
        "",
    ]


def finding_lines(findings: Sequence[WorseSlice]) -> list[str]:
    """Say in Markdown which slices got worse, and why."""
    if not findings:
        return []
    lines = ["## What got worse", ""]
    for one in findings:
        where = " and ".join(f"{key} = {value}" for key, value in one.slice.items()) or "everything"
        lines.append(
            f"- {where}: {one.num_failed} of {one.num_items} turned wrong; likeliest cause: "
            f"{cause_words(one.cause)} ({one.cause_probability:.0%})"
        )
    return [*lines, ""]


def _alarm(changes: Sequence[TaskChange]) -> list[str]:
    worse = [change for change in changes if change.is_worse]
    told = "; ".join(f"{one.task} {one.before:.3f} to {one.now:.3f} (p = {one.p:.2g})" for one in worse)
    return [f"**Shown to have got worse:** {told}.", ""] if worse else []


def _row(one: TaskChange) -> str:
    gained = f"{one.change:+.3f} [{one.ci[0]:+.3f}, {one.ci[1]:+.3f}]"
    means = [f"{score:.3f}" for score in (one.before, one.now)]
    return f"| {' | '.join([one.task, str(one.num_items), *means, gained, str(one.num_fixed), str(one.num_broken)])} |"


def _shown(title: str, items: Sequence[Answered]) -> list[str]:
    if not items:
        return []
    more = f", the first {SHOWN} of {len(items)}" if len(items) > SHOWN else ""
    shown = [f"- {item.task}: {_code(item.prompt[-120:])} gave {_code(item.answer[:60])}" for item in items[:SHOWN]]
    return [f"{title}{more}:", "", *shown, ""]


def _code(text: str) -> str:
    """One line in code marks, whatever the text holds."""
    return f"`{' '.join(text.replace('`', chr(39)).split()) or ' '}`"
