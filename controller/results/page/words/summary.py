"""Summarise a run on one page of Markdown, for a mail or a chat."""

from collections.abc import Sequence
from pathlib import Path

from controller.results.loop_json import LoopResult, Round
from controller.results.page.approval import asked_words, commands, waiting_round
from controller.results.page.page import PAGE_FILE


def write_summary(text: str, run_dir: Path) -> Path:
    """Write `summary.md` into a run directory; returns the file."""
    path = run_dir / "summary.md"
    path.write_text(text.rstrip() + "\n", encoding="utf-8")
    return path


def summary(result: LoopResult, since: Sequence[str] = ()) -> str:
    """Summary of findings, what was changed, whether it held, and what it cost."""
    lines = [f"# {result.name}", "", f"Stopped: {result.stopped_because}.", "", *since]
    for round_ in result.rounds:
        lines += _round_lines(round_)
    if result.sealed is not None:
        low, high = result.sealed.ci
        lines += [
            "## Sealed items",
            "",
            f"Gain over the starting model {result.sealed.gain:+.3f} [{low:+.3f}, {high:+.3f}] on "
            f"{result.sealed.num_items} items that nothing had seen: {result.sealed.claim}.",
            "",
        ]
    lines += [
        f"Champion: `{result.champion.path}`, {result.champion.recipe}.",
        "",
        "| stage | seconds | tokens | FLOPs |",
        "|---|---|---|---|",
        *(f"| {name} | {c.seconds:.0f} | {c.tokens:,} | {c.flops:.2g} |" for name, c in result.costs.items()),
    ]
    return "\n".join(lines)


def waiting_lines(result: LoopResult, run_dir: Path) -> list[str]:
    """Say what waits for approval, where to read it, and how to decide; nothing where nothing waits."""
    round_ = waiting_round(result)
    if round_ is None or round_.approval is None:
        return []
    approve, reject = commands(round_, str(run_dir))
    return [
        f"round {round_.number} waits for approval: {asked_words(round_.plan, round_.approval)}",
        f"read {run_dir / PAGE_FILE}, and every row in mix-{round_.number}.parquet beside it; then, and this again:",
        f"  {approve}",
        f"  {reject}",
    ]


def _round_lines(round_: Round) -> list[str]:
    measured = round_.measure
    lines = [
        f"## Round {round_.number}",
        "",
        f"{measured.num_failed} of {measured.num_items} probe items fail.",
    ]
    lines += [
        f"- {score.task}: {score.unparsed_rate:.1%} of the answers could not be read by its extractor"
        for score in measured.scores
        if score.unparsed_rate and not score.slice
    ]
    for finding in round_.diagnosis.findings:
        where = ", ".join(f"{key} {value}" for key, value in finding.slice.items())
        lines.append(
            f"- {where}: {finding.num_failed} of {finding.num_items} fail; cause "
            f"{' and '.join(finding.shown_causes) or finding.cause} ({finding.cause_probability:.0%})"
        )
    lines += ["", f"Plan: {round_.plan.reason}"]
    verdict = round_.verdict
    lines += ["", f"**{verdict.decision.value}**: {verdict.reason}", ""]
    if verdict.arms:
        lines += ["| arm | score | interval | tokens |", "|---|---|---|---|"]
        lines += [
            f"| {name} | {arm.score:.3f} | {arm.ci[0]:.3f} to {arm.ci[1]:.3f} | {arm.tokens:,} |"
            for name, arm in verdict.arms.items()
        ]
        lines.append("")
    for guard in verdict.guards:
        since = f" ({guard.since:+.3f} since the models before)" if guard.since is not None else ""
        lines.append(f"- guard {guard.task}: {guard.change:+.3f}{since} {'held' if guard.ok else 'NOT SHOWN'}")
    for group in verdict.groups:
        if group.is_harmed:
            where = ", ".join(f"{key} {value}" for key, value in group.slice.items())
            lines.append(f"- {where}: {max(group.control, group.held_to):.3f} to {group.challenger:.3f}, SHOWN TO LOSE")
    return [*lines, ""]
