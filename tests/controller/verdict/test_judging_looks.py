"""Where a judgement with looks ends, and why."""

import numpy as np
import pytest
from builders.arms import agreed, report
from builders.arms import arm as made

from controller.results.arm_names import CHALLENGER, CONTINUE, RANDOM
from controller.results.verdict_json import Decision, Ending, GroupRecord
from controller.verdict.arm_scores import Arm, scored_by_all
from controller.verdict.enough import may_be_enough, with_random
from controller.verdict.judge import Contest, Judged, judge
from controller.verdict.ruling import At, LookRuling, first_seeds, rule_at
from controller.verdict.settings import Verify
from evals.statistics.compare import ArmScores
from evals.statistics.looks import Looks, compare_by_own_runs

LOOKS = Looks((3, 5, 8), 0.0152)
NUM_ITEMS = 1000
ITEMS = tuple(map(str, range(NUM_ITEMS)))
MARGIN = 0.03


def arms(means: dict[str, float], spread: float = 0.005) -> dict[str, ArmScores]:
    """Arms of 8 seeds whose runs lie symmetrically about their mean score, early ones too."""
    rng = np.random.default_rng(0)
    off = spread * np.array([-1.0, 0.0, 1.0, -1.0, 1.0, 0.5, -0.5, 0.0])
    easy = rng.permutation(NUM_ITEMS)
    found = {}
    for name, mean in means.items():
        counts = np.round((mean + off) * NUM_ITEMS).astype(int)
        scores = np.array([(easy < count).astype(float) for count in counts])
        found[name] = ArmScores(name, ITEMS, scores, name == RANDOM)
    return found


def ruled(
    gain: float,
    look: int,
    *,
    guard_change: float = 0.0,
    spread: float = 0.005,
    guard_spread: float = 0.002,
    groups: tuple[GroupRecord, ...] = (),
) -> LookRuling:
    endpoint = arms({CHALLENGER: 0.5 + gain, CONTINUE: 0.5, RANDOM: 0.5}, spread)
    guard = arms({CHALLENGER: 0.9 + guard_change, CONTINUE: 0.9, RANDOM: 0.9}, guard_spread)
    seeds = LOOKS.seeds[look]
    return rule_at(first_seeds(endpoint, seeds), {"guard": first_seeds(guard, seeds)}, groups, At(LOOKS, look), MARGIN)


def test_a_plain_gain_is_accepted_at_the_first_look() -> None:
    found = ruled(0.2, 0)
    assert found.ending is Ending.ACCEPTED
    assert found.shown.num_seeds == 3
    assert found.ruling.is_accepted


def test_no_gain_is_futile_at_the_first_look_and_is_the_end_at_the_last() -> None:
    assert ruled(0.0, 0).ending is Ending.FUTILE
    assert ruled(0.0, 2).ending is Ending.LAST


def test_a_gain_that_is_not_shown_yet_asks_for_more_seeds() -> None:
    found = ruled(0.08, 0, spread=0.03)
    assert found.ending is Ending.GOES_ON
    assert not found.ruling.is_accepted
    assert 0 < found.shown.gate.hardest.mean < found.shown.boundary


def test_a_sure_gain_waits_for_a_guard_that_is_not_shown_unharmed_yet() -> None:
    assert ruled(0.2, 0, guard_spread=0.03).ending is Ending.GOES_ON
    assert ruled(0.2, 2, guard_spread=0.03).ending is Ending.ACCEPTED


def test_a_guard_that_all_seeds_would_hardly_show_unharmed_makes_a_sure_gain_futile() -> None:
    assert ruled(0.2, 0, guard_change=-MARGIN, guard_spread=0.01).ending is Ending.FUTILE


def test_a_guard_that_is_shown_harmed_ends_the_judgement_whatever_the_gain() -> None:
    assert ruled(0.2, 0, guard_change=-0.1).ending is Ending.HARMED


def test_a_harmed_group_ends_the_judgement_whatever_the_gain() -> None:
    group = GroupRecord({"class": "a"}, 100, 0.9, 0.9, 0.7, -0.2, (-0.3, -0.1), 0.001, True)
    assert ruled(0.2, 0, groups=(group,)).ending is Ending.HARMED


def test_a_control_that_is_beaten_once_needs_no_more_seeds_but_the_old_data_and_random_rows_do() -> None:
    means = {CHALLENGER: 0.6, CONTINUE: 0.56, RANDOM: 0.2, "bm25": 0.1, "loss": 0.57}
    endpoint = arms(means, 0.01)
    guard = arms(dict.fromkeys(means, 0.9), 0.002)
    found = rule_at(first_seeds(endpoint, 3), {"guard": first_seeds(guard, 3)}, (), At(LOOKS, 0), MARGIN)
    assert found.ending is Ending.GOES_ON
    assert [one.control for one in found.beaten] == ["bm25"]
    later = first_seeds({name: scores for name, scores in endpoint.items() if name != "bm25"}, 8)
    at = At(LOOKS, 2, found.beaten)
    last = rule_at(later, {"guard": first_seeds(guard, 8)}, (), at, MARGIN)
    assert last.ending is Ending.ACCEPTED
    assert {one.control for one in last.ruling.gate.comparisons} == means.keys() - {CHALLENGER}
    # The seeds that it has may stand beside those of the others.
    beside = rule_at(
        later | {"bm25": first_seeds(endpoint, 3)["bm25"]}, {"guard": first_seeds(guard, 8)}, (), at, MARGIN
    )
    assert beside == last


def test_a_look_at_the_first_seeds_leaves_out_those_of_later_looks() -> None:
    early = first_seeds(arms({CHALLENGER: 0.5}), 3)[CHALLENGER]
    assert early.num_seeds == 3
    assert early.seed_means == pytest.approx([0.495, 0.5, 0.505])


def judged_at(look: int, *, fix: float, num_seeds: int) -> Judged:
    """The verdict of one look on a fix with this score on the failing task, against controls that score .5."""
    settings = Verify(seeds=3, max_seeds=8, margin=0.05)
    looks = settings.looks(0.0152)
    assert looks is not None
    controls = [made(CONTINUE, 0.5, 0.9, 2, num_seeds), made(RANDOM, 0.5, 0.9, 3, num_seeds)]
    before = report({"jump": 0.5, "others": 0.9}, 1)
    contest = Contest(agreed(settings), made(CHALLENGER, fix, 0.9, 1, num_seeds), controls, before, settings)
    return judge(contest, At(looks, look))


def test_a_verdict_at_a_look_has_the_level_of_the_look_and_tells_of_it() -> None:
    found = judged_at(1, fix=0.9, num_seeds=5)
    assert found.ending is Ending.ACCEPTED
    (shown,) = found.verdict.looks
    assert found.verdict.alpha == shown.level == Looks((3, 5, 8), 0.0152).levels[1]
    assert (shown.num_seeds, shown.ending) == (5, Ending.ACCEPTED)
    assert shown.gain == found.verdict.gain
    assert shown.gain.mean > shown.boundary


def test_a_verdict_that_ends_early_says_that_more_seeds_would_hardly_show_a_gain() -> None:
    found = judged_at(0, fix=0.5, num_seeds=3)
    assert found.ending is Ending.FUTILE
    assert "after 3 seeds an arm, all that are allowed would show it in" in found.verdict.reason
    assert found.verdict.champion_arm == ""


def test_random_rows_that_do_as_well_are_enough_at_the_look_that_ends_the_judgement() -> None:
    settings = Verify(seeds=3, max_seeds=8, margin=0.05)
    looks = settings.looks(0.0152)
    assert looks is not None
    at, before = At(looks, 0), report({"jump": 0.5, "others": 0.9}, 1)
    fix, controls = made(CHALLENGER, 0.9, 0.9, 1, 3), [made(CONTINUE, 0.5, 0.9, 2, 3), made(RANDOM, 0.9, 0.9, 3, 3)]
    contest = Contest(agreed(settings), fix, controls, before, settings)
    found = judge(contest, at)
    assert found.ending is Ending.FUTILE
    verdict = with_random(found, contest, at=at)
    assert verdict.decision is Decision.RANDOM_IS_ENOUGH
    assert verdict.champion_arm == RANDOM
    assert looks.levels[0] < at.end_level < looks.alpha


def test_random_rows_may_be_enough_beside_a_control_that_was_trained_no_more() -> None:
    settings = Verify(seeds=3, max_seeds=8, margin=0.05)
    looks = settings.looks(0.0152)
    assert looks is not None
    before, left = report({"jump": 0.5, "others": 0.9}, 1), made("bm25", 0.4, 0.9, 4, 3)
    fix = made(CHALLENGER, 0.9, 0.9, 1, 5)
    controls = [made(CONTINUE, 0.5, 0.9, 2, 5), made(RANDOM, 0.9, 0.9, 3, 5), left]
    early = scored_by_all([made(CHALLENGER, 0.9, 0.9, 1, 3), left], agreed(settings).chosen)
    at = At(looks, 1, (compare_by_own_runs(early[CHALLENGER], early["bm25"]),))
    contest = Contest(agreed(settings), fix, controls, before, settings)
    found = judge(contest, at)
    assert found.ending is Ending.FUTILE
    assert [gain.control for gain in found.verdict.gains] == ["bm25", CONTINUE, RANDOM]
    assert {name: len(arm.seeds) for name, arm in found.verdict.arms.items() if name != "before"} == {
        CHALLENGER: 5,
        CONTINUE: 5,
        RANDOM: 5,
        "bm25": 3,
    }
    verdict = with_random(found, contest, at=at)
    assert verdict.decision is Decision.RANDOM_IS_ENOUGH


def may_be(look: int, *, new: float, old: tuple[float, ...]) -> bool:
    """Whether random rows may be enough after this look, where they and the fix have this score, and the runs of the
    old data these."""
    settings = Verify(seeds=3, max_seeds=8, margin=0.05)
    looks = settings.looks(0.0152)
    assert looks is not None
    num_seeds = looks.seeds[look]
    reports = tuple(report({"jump": old[k % len(old)], "others": 0.9}, 200 + k) for k in range(num_seeds))
    controls = [Arm(CONTINUE, reports, 1000, 1e6, 10), made(RANDOM, new, 0.9, 3, num_seeds)]
    before, fix = report({"jump": 0.5, "others": 0.9}, 1), made(CHALLENGER, new, 0.9, 1, num_seeds)
    at = At(looks, look)
    contest = Contest(agreed(settings), fix, controls, before, settings)
    found = judge(contest, at)
    verdict = with_random(found, contest, at=at)
    assert verdict.decision is Decision.REJECTED
    return may_be_enough(contest, at)


def test_random_rows_that_seem_better_than_old_data_that_varies_are_asked_for_more_seeds() -> None:
    assert may_be(0, new=0.9, old=(0.3, 0.45, 0.6))
    assert not may_be(0, new=0.5, old=(0.5,))
    assert not may_be(2, new=0.55, old=(0.3, 0.5, 0.7))  # no look is left


def test_a_promise_with_looks_says_what_they_would_do_and_sees_smaller_gains() -> None:
    one, many = (
        agreed(Verify(seeds=3, max_seeds=3, margin=0.05)).endpoint,
        agreed(Verify(seeds=3, max_seeds=8, margin=0.05)).endpoint,
    )
    assert one.prospects == ()
    none, least, expected = many.prospects
    assert (none.gain, least.gain, expected.gain) == (0.0, many.min_gain, many.expected_gain)
    assert none.at_last <= 0.0152
    assert 3 <= none.num_seeds < least.num_seeds <= 8
    assert expected.at_first <= expected.at_last
    assert one.detectable_gain is not None
    assert many.detectable_gain is not None
    assert many.detectable_gain < one.detectable_gain


def test_most_seeds_that_allow_one_look_change_nothing() -> None:
    plain, same = Verify(seeds=5, max_seeds=5), Verify(seeds=5, max_seeds=1)
    assert not same.has_looks
    assert same.looks(0.0152) is None
    assert same.determining == plain.determining
    assert agreed(same) == agreed(plain)
    assert Verify(seeds=5, max_seeds=8).determining != plain.determining


@pytest.mark.parametrize(
    ("max_seeds", "message"),
    [
        (0, r"verify.max_seeds must be from 1 to 20, got 0; the number of verify.seeds \(3\) means one look"),
        (21, "verify.max_seeds must be from 1 to 20, got 21"),
    ],
)
def test_looks_that_can_never_be_are_refused(max_seeds: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Verify(max_seeds=max_seeds)


def test_fewer_seeds_than_the_gate_needs_are_looked_at_once() -> None:
    assert [Verify(seeds=seeds).last_seeds for seeds in (1, 2, 3, 10)] == [1, 2, 8, 10]
    assert [Verify(seeds=seeds).has_looks for seeds in (1, 2, 3, 10)] == [False, False, True, False]
