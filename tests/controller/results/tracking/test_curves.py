"""Curves over the rounds of a loop."""

from dataclasses import replace

from builders.loop_results import accepted_round

from controller.results.tracking.curves import round_points


def test_the_share_of_unread_answers_is_a_curve_beside_the_score_where_there_is_one() -> None:
    round_ = accepted_round()
    first, *others = round_.measure.scores
    round_ = replace(round_, measure=replace(round_.measure, scores=(replace(first, unparsed_rate=0.25), *others)))
    unparsed = [point for point in round_points(round_) if point.name.startswith("unparsed/")]
    assert [(point.name, point.value) for point in unparsed] == [(f"unparsed/probe/{first.task}", 0.25)]
