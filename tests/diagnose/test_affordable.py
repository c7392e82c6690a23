"""What a diagnosis may cost: rows for about two passes over the corpus, and queries for no more than the rows."""

import pytest
from builders.items import answered, item, probe_key, probe_report
from builders.pools import train_pool

from diagnose.case import Case, affordable_queries, affordable_rows
from evals.items import OutputType
from evals.leaks.item_index import index_items

ROW = "a b c d e f g h"


def case(prompt: str, num_rows: int, output: OutputType = OutputType.GENERATE_UNTIL) -> Case:
    """Failed items with this prompt beside rows of one length."""
    items = [item(prompt, "", id=f"{k}", split_key=probe_key(f"{k}"), output=output) for k in range(8)]
    report = probe_report(answered(one, "other") for one in items)
    return Case(report, train_pool([(ROW, "")] * num_rows, "rows"), None, [], [], [], index_items([]), 0)


@pytest.mark.parametrize("times", [1, 2, 5])
def test_items_that_are_so_many_times_as_long_as_rows_are_asked_so_many_times_less(times: int) -> None:
    assert affordable_queries(case(ROW * times, 500), 1, num_rows=1000) == 1000 // times


def test_short_items_count_as_rows_and_several_findings_share() -> None:
    assert affordable_queries(case("a", 500), 4, num_rows=1000) == 250


def test_the_prompt_of_a_multiple_choice_is_read_for_the_gold_and_for_the_answer_that_won() -> None:
    assert affordable_queries(case(ROW, 500, OutputType.MULTIPLE_CHOICE), 1, num_rows=1000) == 500


def test_however_long_items_are_some_are_asked() -> None:
    assert affordable_queries(case(ROW * 1000, 500), 3, num_rows=1000) == 32


def test_rows_are_no_more_than_three_in_five_than_asked_and_than_two_passes_pay_for() -> None:
    assert affordable_rows(case(ROW, 500), 1, most=8_000) == 300
    assert affordable_rows(case(ROW, 20_000), 1, most=8_000) == 8_000
    assert affordable_rows(case(ROW, 10_000), 5, most=8_000) == (1.9 * 10_000 - 5 * 2_000) / 2  # two passes in all
