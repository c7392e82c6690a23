"""Watch a model night after night: measure it, and where it got worse say of which items, and why. Nothing is trained
but what the diagnosis itself is asked to try (`diagnose.pilots=always`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.cli.nights.compared import PROBE_FILE, Compared, compare_nights
from controller.cli.nights.night_json import WorseSlice
from controller.data.reports import ItemTable, read_report_json
from controller.engine.runner import Stage
from controller.loop.diagnosing import diagnose_round, leave_diagnosis
from controller.loop.models import MeasuredModel, base_model, initial_model, measure_model, write_champion
from controller.loop.pilots.causes import settle_causes
from controller.loop.run import Run, opened
from controller.settings import LoopSettings
from controller.stages.measure import only_failed
from controller.stages.model import Model
from diagnose.finding.finding import Diagnosis, Finding
from evals.items import ProbeReport
from evals.splits import Split


@dataclass(frozen=True, slots=True)
class Watched:
    """What a night has seen of its model."""

    model: str
    compared: Compared | None
    """None on a first night, or where there is no item in common with the night before."""
    findings: tuple[WorseSlice, ...]
    """Slices of the items that turned wrong; none where no task is shown to have got worse."""


def watch(settings: LoopSettings, tonight: Path, earlier: Sequence[Path], champion: Model | None) -> Watched:
    """Measure tonight's model and compare it with the night before; diagnose what got worse, and leave its page.

    Args:
        settings: Settings, whose run directory is the night's folder.
        tonight: That folder.
        earlier: Folders of finished nights, the oldest first.
        champion: Model that an earlier night left, instead of the given one.
    """
    with opened(settings, tonight) as run:
        model = champion if champion is not None else initial_model(run, base_model(run))
        measured = measure_model(run, model, Split.PROBE, "measure-probe")
        items = ItemTable()
        items.add(0, "champion", None, measured.report.results)
        items.write(tonight / PROBE_FILE)
        write_champion(model, tonight)
        compared = compare_nights(earlier, tonight, settings.nightly.alpha)
        diagnosis = None if compared is None else _why_worse(run, model, measured, compared)
    findings = () if diagnosis is None else tuple(map(_told, diagnosis.findings))
    return Watched(measured.report.model.path, compared, findings)


def _told(finding: Finding) -> WorseSlice:
    return WorseSlice(
        finding.slice.as_dict(),
        finding.num_items,
        finding.num_failed,
        finding.cause.value,
        float(finding.causes[finding.cause]),
    )


def _why_worse(run: Run, model: Model, measured: MeasuredModel, compared: Compared) -> Diagnosis | None:
    """Diagnose the items that turned wrong of the tasks that are shown to have got worse; None where none is."""
    worse = {change.task for change in compared.changes if change.is_worse}
    turned = {(one.task, one.id) for one in compared.turned_wrong if one.task in worse}
    keys = tuple(r.item.key for r in measured.report.results if (r.item.task, r.item.key.id) in turned)
    if not keys:
        return None
    done = run.runner.do(Stage("only-failed", only_failed, (measured.artifact, keys), fills_cores=False), None)
    masked = MeasuredModel(read_report_json(done.folder, ProbeReport), done.artifact)
    diagnosed = diagnose_round(run, model, masked)
    diagnosed = settle_causes(run, model, masked, diagnosed, 0, is_alone=True)
    note = f"Of the items that fail those alone are asked about that {compared.since} had right."
    leave_diagnosis(run, masked.report, diagnosed, notes=(note,))
    return diagnosed.diagnosis
