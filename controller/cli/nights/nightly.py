"""`evalmend nightly`: a night on the champion, or on the model that others have left, for cron and for schedules.

Each night has a folder of its own, named by its date, in the run directory; all share one ledger there. Run again for
the same night, it continues where it stopped. Where a person approves plans, it goes on with an earlier night that is
not over, on whatever day that is decided, and a new night begins after it.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from controller.cli.nights.compared import compare_nights, night_of
from controller.cli.nights.folders import earlier_nights, forget_stages, night_name, night_not_over
from controller.cli.nights.lines import finding_lines, since_lines
from controller.cli.nights.night_json import WORSE_CODE, WorseSlice, write_night
from controller.cli.nights.watch import watch
from controller.cli.sweeps import Ended
from controller.loop.loop import run_loop
from controller.loop.models import read_champion
from controller.loop.run import choose_run_dir
from controller.results.page.words.summary import summary, waiting_lines, write_summary
from controller.results.tracking.job import Job
from controller.settings import LoopSettings

WAITS = 3
"""Exit code of a night that waits for approval."""


def nightly(settings: LoopSettings, job: Job) -> Ended:
    """Play a night, and leave `night.json` and a one-page summary, which say what changed since the night before."""
    nights, own = choose_run_dir(settings), settings.nightly
    tonight = nights / night_name(own.name, own.date or time.strftime("%Y-%m-%d"))
    if settings.controller.asks:
        tonight = night_not_over(nights, tonight.name) or tonight
    earlier = earlier_nights(nights, tonight.name)
    champion = read_champion(earlier[-1]) if earlier and own.opens == "champion" else None
    settings = replace(settings, run_dir=str(tonight))
    findings: Sequence[WorseSlice] = ()
    if own.plays == "watch":
        watched = watch(settings, tonight, earlier, champion)
        model, compared, findings = watched.model, watched.compared, watched.findings
        text = "\n".join([f"# {settings.name}", "", *finding_lines(findings), *since_lines(compared)])
    else:
        result = run_loop(settings, job, champion)
        model, compared = result.champion.path, compare_nights(earlier, tonight, own.alpha)
        text = summary(result, since_lines(compared))
        if result.status == "waiting":
            for line in [*waiting_lines(result, tonight), f"{write_summary(text, tonight)}"]:
                _say(line)
            return Ended(WAITS)
    night = night_of(tonight.name, model, compared, findings)
    page = write_summary(text, tonight)
    write_night(night, tonight)
    for folder in forget_stages([*earlier, tonight], own.keep):
        _say(f"{folder.name}: its stages went, as nightly.keep={own.keep} says; its results stay")
    if night.worse:
        _say(f"worse than {night.since}: {', '.join(night.worse)}")
    _say(f"{page}")
    return Ended(WORSE_CODE if night.worse else 0)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
