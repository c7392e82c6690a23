"""What a run page shows beside numbers: the decision in words, and tables of stages and arms."""

import json
from collections.abc import Sequence
from pathlib import Path

from controller.results.loop_json import LoopResult
from controller.results.page.page import PAGE_FILE
from controller.results.page.words.labels import DECISIONS
from controller.results.page.words.sentences import decisive, first_finding, headline, held, spent, total_cost
from controller.results.page.words.texts import sentence


def result_tags(result: LoopResult) -> dict[str, str]:
    """Decision, cause and finding of the round that decides, and the decisions of all rounds."""
    decided = decisive(result)
    tags = {"stopped_because": result.stopped_because, "champion": result.champion.path}
    if decided is not None:
        tags["decision"] = decided.verdict.decision.value
        tags["decisions"] = ", ".join(round_.verdict.decision.value for round_ in result.rounds)
        tags["reason"] = decided.verdict.reason
        finding = first_finding(decided)
        tags["cause"] = finding.cause if finding is not None else "none"
        tags["finding"] = str(dict(finding.slice)) if finding is not None else "none"
        tags["plan"] = ", ".join(action.kind for action in decided.plan.actions) or "none"
    if result.sealed is not None:
        tags["claim"] = result.sealed.claim
    return {name: value for name, value in tags.items() if value}


def note(result: LoopResult, run_dir: Path, command: str) -> str:
    """Decision, gain, cost and how to open the report, in Markdown."""
    decided = decisive(result)
    lines = [f"**{sentence(headline(result))}**", ""]
    if decided is not None:
        verdict = decided.verdict
        lines += [f"{DECISIONS[verdict.decision]}: {verdict.reason}", "", held(decided, result.sealed), ""]
    lines += [
        spent(total_cost(result.costs)),
        "",
        f"The report: `{PAGE_FILE}` under Artifacts, or `{run_dir / PAGE_FILE}` in a browser.",
        f"Every number: `loop.json` beside it. Beside other runs: `evalmend compare {run_dir} ...`",
    ]
    if command:
        lines += ["", f"The same command goes on where it stopped: `{command}`"]
    return "\n".join(lines)


def stages_table(result: LoopResult) -> str:
    """Seconds, tokens and FLOPs of each kind of stage by round; what no round accounts for has none."""
    rows = [
        [round_.number, name, cost.seconds, cost.tokens, cost.flops]
        for round_ in result.rounds
        for name, cost in round_.costs.items()
    ]
    for name, cost in result.costs.items():
        of_rounds = [round_.costs[name] for round_ in result.rounds if name in round_.costs]
        tokens = cost.tokens - sum(one.tokens for one in of_rounds)
        if not of_rounds or tokens > 0:
            seconds = max(0.0, cost.seconds - sum(one.seconds for one in of_rounds))
            rows.append([None, name, seconds, tokens, max(0.0, cost.flops - sum(one.flops for one in of_rounds))])
    return _table(("round", "stage", "seconds", "tokens", "flops"), rows)


def arms_table(result: LoopResult) -> str:
    """Score of each arm on its round's endpoint, with its interval."""
    rows: list[list[object]] = [
        [round_.number, name, arm.score, *arm.ci, arm.tokens, arm.flops]
        for round_ in result.rounds
        for name, arm in round_.verdict.arms.items()
    ]
    return _table(("round", "arm", "score", "low", "high", "tokens", "flops"), rows)


def sources_table(result: LoopResult) -> str:
    """Rows, draws and tokens of each source, of the corpus as it stands and of each arm as it was trained."""
    rows: list[list[object]] = [
        [None, "corpus", one.source, one.num_rows, None, one.share, one.num_tokens] for one in result.corpus
    ]
    for round_ in result.rounds:
        for name, arm in round_.verdict.arms.items():
            total = sum(one.num_draws for one in arm.drawn)
            rows += [
                [round_.number, name, d.source, d.num_rows, d.num_draws, d.num_draws / max(total, 1), d.num_tokens]
                for d in arm.drawn
            ]
    return _table(("round", "arm", "source", "rows", "draws", "share", "tokens"), rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return json.dumps({"columns": columns, "data": rows})


TABLES = {"stages.json": stages_table, "arms.json": arms_table, "sources.json": sources_table}
"""What makes each file of a table."""
TABLES_TAG = {"mlflow.loggedArtifacts": json.dumps([{"path": name, "type": "table"} for name in TABLES])}
"""Tag by which MLflow shows these files as tables."""
