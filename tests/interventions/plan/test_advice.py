"""Where data is not to blame, the advice names the setting, the prompt or the items that are."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from builders.findings import finding

from diagnose.finding.evidence import Evidence
from diagnose.finding.finding import Cause
from diagnose.finding.forms import Form, How, Reading
from interventions.plan.advice import advice

MAPPED = Evidence("mappings", {"mapped": 0.9}, "Leaving out “answer … ” makes 90% of 40 failed answers right.")
WRAPPED = Evidence("wrapping", {"wrapped": 1.0}, "The commonest form is “it is …”.")
PROMPTED = Evidence("prompts", {"reprompted": 0.8}, "The training's form of prompt makes 80% of 24 failed items right.")


@pytest.mark.parametrize(
    ("cause", "values", "named"),
    [
        (Cause.TRAINING_SETUP, {"end_masked": 1.0, "falling": 0.5}, "train.end_in_loss=true"),
        (Cause.TRAINING_SETUP, {"truncated": 0.4}, "raise train.max_length: 40% of the rows"),
        (Cause.TRAINING_SETUP, {"without_loss": 0.2}, "corpus.completion"),
        (Cause.TRAINING_SETUP, {"runs_on": 0.7, "ends": 0.1}, "generation_kwargs.until"),
        (Cause.TRAINING_SETUP, {"falling": 0.62, "ends": 1.0}, "train.max_steps"),
        (Cause.FORMAT, {"mapped": 0.9, "reprompted": 0.1}, "Leaving out “answer"),
        (Cause.FORMAT, {"mapped": 0.9}, "doc_to_target"),
        (Cause.FORMAT, {"reprompted": 0.8}, "The training's form of prompt makes"),
        (
            Cause.FORMAT,
            {"wrapped": 1.0, "mapped": 0.1},
            "The commonest form is “it is …”. Write the training's",
        ),
        (Cause.FORMAT, {"reprompted": 0.8}, "doc_to_text, or corpus.prompt_template"),
        (Cause.CAPACITY, {"learnt": 0.31}, "model.arch.hidden_size, or a larger model.name): it gives 31%"),
        (Cause.CONTAMINATION, {}, "measure again"),
    ],
)
def test_the_setting_that_the_numbers_blame_is_named(cause: Cause, values: Mapping[str, float], named: str) -> None:
    found = replace(finding(cause), evidence=values, tests=(MAPPED, PROMPTED, WRAPPED))
    assert named in advice(found)


def test_a_training_that_ended_before_every_row_was_drawn_is_told_by_the_rows() -> None:
    found = replace(finding(Cause.TRAINING_SETUP), evidence={"falling": 0.08, "passes": 0.27}, experiments=())
    assert "training drew 27% of as many rows as the corpus has" in advice(found)


def test_rows_in_another_form_are_advised_only_where_the_form_is_known() -> None:
    found = replace(finding(Cause.FORMAT), evidence={"mapped": 0.9}, tests=(MAPPED,))
    other = "; or interventions=reformat, which writes training rows"
    assert other not in advice(found)
    assert other in advice(replace(found, forms=(Form(answers=Reading(How.UNWRAP, "answer")),)))


def test_doubted_items_are_listed_the_first_of_them_by_name() -> None:
    doubts = Evidence("golds", {"doubted": 0.5}, "", items=tuple(f"item-{k}" for k in range(9)))
    told = advice(replace(finding(Cause.WRONG_GOLD), tests=(doubts,)))
    assert "9 items reviewed" in told
    assert "item-0, item-1, item-2, item-3, item-4, ..." in told
    assert "item-5" not in told


@pytest.mark.parametrize("cause", [Cause.MISSING_DATA, Cause.WRONG_LABELS, Cause.SHORTCUT, Cause.UNKNOWN])
def test_causes_in_the_data_have_no_advice(cause: Cause) -> None:
    assert advice(finding(cause)) == ""
