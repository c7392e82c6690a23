"""The page says what the result says, in one inert file."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from builders.loop_results import (
    accepted_round,
    asked_round,
    enough_round,
    finding,
    full_round,
    idle_round,
    loop_result,
    rejected_round,
    ruinous_round,
    waiting_result,
)
from builders.pages import Page, flat

from controller.engine.budget import Cost
from controller.engine.journal.approvals import Answer
from controller.results.loop_json import LoopResult, Sealed, read_loop, write_loop
from controller.results.page import rivals
from controller.results.page.diagnosis.shading import shaded
from controller.results.page.environment import cost_rows
from controller.results.page.page import render, write_report
from controller.results.page.pictures import marks
from controller.results.page.words import labels, numbers, sentences, texts
from controller.results.verdict_json import Decision, Ending, Gain, LookRecord
from diagnose.finding.finding import FailedItem

REJECTED = Answer(0, "5f0e1d2c3b4a5968", "rejected", "anna", "<b>private</b> rows", "2030-01-02T03:04:05Z")
ENDINGS = {
    Decision.ACCEPTED: loop_result(),
    Decision.REJECTED: loop_result(rejected_round()),
    Decision.RANDOM_IS_ENOUGH: loop_result(enough_round()),
    Decision.NOT_DATA: loop_result(idle_round(0, Decision.NOT_DATA, "the model is too small", (finding(),))),
    Decision.NOTHING_TO_DO: loop_result(idle_round(0, Decision.NOTHING_TO_DO, "nothing stands out", ())),
    Decision.AWAITING_APPROVAL: waiting_result(),
    Decision.NOT_APPROVED: loop_result(asked_round(0, REJECTED)),
}
HEADLINES = {
    Decision.ACCEPTED: "Prompts with “jump” rose from 0.638 to 0.955, confirmed on items that nothing had seen",
    Decision.REJECTED: "Prompts with “jump” failed, and the fix that was tried is not shown to help",
    Decision.RANDOM_IS_ENOUGH: "Prompts with “jump” failed, and random data mends that as well as the fix",
    Decision.NOT_DATA: "Prompts with “jump” failed, and data is not the reason",
    Decision.NOTHING_TO_DO: "Nothing failed that data could mend",
    Decision.AWAITING_APPROVAL: "Prompts with “jump” failed; a plan to mend that waits for approval",
    Decision.NOT_APPROVED: "Prompts with “jump” failed; a plan to mend that was not approved",
}


@pytest.mark.parametrize("ending", list(Decision))
def test_every_ending_has_a_headline_and_well_formed_markup(ending: Decision) -> None:
    html = render(ENDINGS[ending])
    page = Page(html)
    assert page.open == []
    assert HEADLINES[ending] in page.text
    assert labels.DECISIONS[ending] in page.text
    assert "nan" not in page.text.lower().split()


def test_a_run_that_ended_before_its_first_round_has_a_page_too() -> None:
    empty = replace(loop_result(), rounds=(), sealed=None, costs={})
    assert "before its first round was complete" in flat(render(empty))
    assert "The first round is under way" in flat(render(replace(empty, status="running")))


def test_a_page_that_waits_says_first_what_for_what_it_takes_and_how_to_decide() -> None:
    text = flat(render(waiting_result(), "runs/my loop"))
    top = text[: text.index("Round 0")]
    for expected in (
        "Round 1 waits for approval. Nothing of its plan is trained yet. Approved, it takes 9 trainings, 553 k tokens, "
        "2.12 TFLOP, about 10 min 10 s; up to 24 trainings where these do not decide.",
        "evalmend approve 'runs/my loop' round=1 proposal=5f0e1d2c3b4a5968",
        "evalmend reject 'runs/my loop' round=1 proposal=5f0e1d2c3b4a5968 why=\"...\"",
        "mix-1.parquet",
        "blocked-1.jsonl",
        "Not known: nothing is trained before the plan is approved.",
    ):
        assert expected in top
    assert re.search(r"pool.txt ?400 ?400 ?0 ?0 % ?50 %", text)
    assert "waits for approval" not in flat(render(loop_result()))


def test_a_page_says_who_rejected_a_plan_when_and_why_as_plain_text() -> None:
    html = render(ENDINGS[Decision.NOT_APPROVED])
    assert "Rejected by anna at 2030-01-02T03:04:05Z: <b>private</b> rows." in flat(html)
    assert "<b>private" not in html
    assert "Nothing was trained." in flat(html)


def test_losses_stand_first_and_a_ruin_makes_the_headline() -> None:
    text = flat(render(loop_result(ruinous_round())))
    assert "the fix that was tried ruins other items of the tasks" in text
    assert "1 of them is shown to lose more than twice the margin, which rejects the fix" in text
    part = text[text.index("Gains and losses") :]
    assert part.index("verb = walk") < part.index("verb = run") < part.index("verb = jump")
    assert re.search(r"relabel for verb = jump ?−0.012", text)


def test_answers_that_could_not_be_read_stand_beside_the_scores() -> None:
    round_ = accepted_round()
    arms = dict(round_.verdict.arms)
    for name, rate in (("before", 0.5), ("challenger", 0.12)):
        first, *others = arms[name].scores
        arms[name] = replace(arms[name], scores=(replace(first, unparsed_rate=rate), *others))
    picture = marks.before_after(replace(round_.verdict, arms=arms))
    assert picture is not None
    notes = [row.note.replace(numbers.NBSP, " ") for row in picture.rows]
    assert notes[0] == "1,063 items · 50 % → 12 % unparsed"
    assert not any("unparsed" in note for note in notes[1:])


def test_an_unconfirmed_gain_is_not_announced_as_one() -> None:
    sealed = Sealed(0.01, (-0.05, 0.07), "unconfirmed", 309, 0.0152)
    headline = sentences.headline(replace(loop_result(), sealed=sealed))
    assert headline.endswith("but items that nothing had seen do not confirm it")


def test_the_numbers_of_the_verdict_stand_on_the_page() -> None:
    text = flat(render(ENDINGS[Decision.ACCEPTED]))
    for expected in (
        "0.955 [0.931, 0.979]",  # the challenger
        "0.904 [0.870, 0.938]",  # its hardest control
        "+0.051 [+0.012, +0.090]",
        "146 of 402 items fail: 36 %, 95 % interval 32 % to 41 %",
        "mended 104 and broke 5",
        "37 rows were kept out by the quality gate: 30 near copy of an evaluation item, 7 already in the corpus.",
        "0.071 would be seen in four of five",
        "−0.004 [−0.020, +0.012]",  # a guard
        "sealed items: +0.302 [+0.241, +0.363]. The claim is confirmed",
        "1a2b3c4d5e6f7081",
    ):
        assert expected in text


def test_items_seen_in_the_training_data_are_counted_and_not_tested() -> None:
    def page(cause: str) -> str:
        one = accepted_round()
        found = replace(finding(), cause=cause, num_items=7, num_failed=2)
        return flat(render(loop_result(replace(one, diagnosis=replace(one.diagnosis, findings=(found,))))))

    assert "stand in the training data: 7, of which 2 fail" in page("contamination")
    assert "after correction" not in page("contamination")
    assert "after correction" in page("missing_data")


def test_the_page_asks_nothing_of_the_network_and_runs_nothing() -> None:
    html = render(ENDINGS[Decision.ACCEPTED])
    tags = Page(html).tags
    assert {tag for tag, _ in tags}.isdisjoint({"script", "link", "img", "iframe", "object", "base"})
    assert not any(name in ("src", "href") or name.startswith("on") for _, attrs in tags for name in attrs)
    assert not re.search(r"url\(|@import|https?://", html)
    policy = [attrs["content"] for tag, attrs in tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_the_page_says_which_controls_did_as_well_and_whether_the_loop_pays_in_compute() -> None:
    text = flat(render(loop_result(full_round())))
    for expected in (
        "It is not shown better than “Nearest by words (BM25)”.",
        "It did worse than “Random data instead, same compute”.",
        "Finding the data took 2.7 TFLOP, one training of the fix 236 GFLOP.",
        "“Random data instead, same compute” scored 0.998, the fix 0.955: in compute, the loop does not pay here.",
        "3 seeds · 424 k tokens · 1.63 TFLOP each",
        "Not trained: BM25 names the same data slice",
    ):
        assert expected in text
    everyday = accepted_round()
    assert rivals.against(everyday.verdict) == "The fix did better than every control."
    assert rivals.pays(everyday) == ""


def test_the_loop_pays_where_every_control_of_its_compute_is_beaten() -> None:
    start = full_round()
    gains = tuple(replace(gain, p=0.001, ci=(0.01, 0.09)) for gain in start.verdict.gains)
    assert rivals.pays(replace(start, verdict=replace(start.verdict, gains=gains))).endswith(
        "in compute, the loop pays."
    )
    cheaper = tuple(replace(gain, p=0.3) if gain.control == "bm25" else gain for gain in gains)
    assert rivals.pays(replace(start, verdict=replace(start.verdict, gains=cheaper))).endswith(
        "the loop pays against them, but not against “Nearest by words (BM25)”, which cost less than the fix."
    )
    level = tuple(replace(gain, p=0.4, ci=(-0.02, 0.05)) for gain in start.verdict.gains)
    assert "it is not shown that the loop pays" in rivals.pays(
        replace(start, verdict=replace(start.verdict, gains=level))
    )


def test_a_fix_that_helps_no_more_than_a_control_is_not_said_to_be_no_help() -> None:
    assert sentences.headline(loop_result(full_round())) == (
        "Prompts with “jump” failed, and the fix helps, but is not shown to do better than “Random data instead, "
        "same compute”"
    )


HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)>\" onload='x' {{ 7 * 7 }}"


def hostile() -> LoopResult:
    start = accepted_round()
    found = finding()
    shares = tuple((word, -0.1) for word in HOSTILE.split())
    item = replace(found.failed_items[0], prompt=HOSTILE, target=HOSTILE, answer=HOSTILE, leaned_on=shares)
    row = replace(found.examples.helpful[0], prompt=HOSTILE, completion=HOSTILE, source=HOSTILE)
    found = replace(
        found,
        slice={HOSTILE: HOSTILE},
        modes={HOSTILE: 1.0},
        evidence={HOSTILE: HOSTILE},
        failed_items=(item,),
        examples=replace(found.examples, helpful=(row,)),
        data_slices=(replace(found.data_slices[0], slice={"prompt contains": HOSTILE}),),
    )
    guard = replace(start.verdict.guards[0], task=HOSTILE)
    arms = dict(start.verdict.arms) | {HOSTILE: start.verdict.arms["random"]}
    round_ = replace(
        start,
        diagnosis=replace(start.diagnosis, findings=(found,)),
        plan=replace(start.plan, reason=HOSTILE, warning=HOSTILE),
        verdict=replace(start.verdict, reason=HOSTILE, guards=(guard,), arms=arms),
    )
    return replace(loop_result(round_, name=HOSTILE), versions={HOSTILE: HOSTILE}, stopped_because=HOSTILE)


def test_hostile_text_is_shown_and_inert() -> None:
    page = Page(render(hostile()))
    assert page.open == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img"})
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "{{ 7 * 7 }}" in page.text


def test_the_report_of_a_stored_run_is_the_report_of_the_run(tmp_path: Path) -> None:
    result = ENDINGS[Decision.ACCEPTED]
    write_loop(result, tmp_path)
    assert write_report(read_loop(tmp_path), tmp_path).read_text(encoding="utf-8") == render(result)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["loop.json", "report-parts.json", "report.html"]


def test_of_a_long_run_the_deciding_round_alone_is_open() -> None:
    rounds = [replace(accepted_round(number), number=number) for number in range(12)]
    html = render(loop_result(*rounds))
    assert html.count('<details class="round" open') == 1


def test_shares_of_the_cost_sum_to_one_with_the_longest_stage_first() -> None:
    rows = cost_rows({"a": Cost(1.0, 5, 3e9), "b": Cost(3.0, 0, 1e9), "c": Cost(0.0, 0, 0.0)})
    assert [row.stage for row in rows] == ["b", "a", "c"]
    assert [row.seconds_share for row in rows] == [0.75, 0.25, 0.0]
    assert sum(row.flops_share for row in rows) == pytest.approx(1)


def test_numbers_are_written_for_people() -> None:
    written = [
        numbers.number(-0.0001),
        numbers.signed(-0.0304),
        numbers.number(-1234.5),
        numbers.percent(0.004),
        numbers.amount(999.7),
        numbers.amount(61_440),
        numbers.flops(8.3e12),
        numbers.flops(0),
        numbers.duration(8.24),
        numbers.duration(454),
        numbers.duration(7260),
        numbers.p_value(0.00002),
    ]
    assert [text.replace(numbers.NBSP, " ") for text in written] == [
        "0.000",
        "−0.030",
        "−1,234",
        "< 1 %",
        "1 k",
        "61.4 k",
        "8.3 TFLOP",
        "0 FLOP",
        "8.2 s",
        "7 min 34 s",
        "2 h 01 min",
        "p < 0.001",
    ]


def test_of_a_long_prompt_start_and_end_are_kept() -> None:
    text = "a" * 400 + "b" * 5000 + "the question?"
    short = texts.excerpt(text)
    assert len(short) < 760
    assert short.startswith("aaa")
    assert short.endswith("the question?")
    assert "4,713 characters left out" in short


def leaning(prompt: str, *shares: float, has_rival: bool = False) -> FailedItem:
    words_of = tuple(zip(prompt.split(), shares, strict=True))
    return FailedItem("1-0", "t", prompt, "gold", "rival", has_rival=has_rival, leaned_on=words_of)


def test_words_are_shaded_for_or_against_the_gold_answer_relative_to_the_largest() -> None:
    item = leaning("jump  around\nleft .", 0.5, -0.25, 0.0, 0.25)
    assert [(piece.text, piece.tone, piece.strength) for piece in shaded(item)] == [
        ("jump", "for", 1.0),
        ("  ", "", 0.0),
        ("around", "against", 0.5),
        ("\nleft ", "", 0.0),
        (".", "for", 0.5),
    ]
    # What speaks for a rival speaks against the gold answer.
    rival = leaning(item.prompt, 0.5, -0.25, 0.0, 0.25, has_rival=True)
    assert [piece.tone for piece in shaded(rival) if piece.tone] == ["against", "for", "against"]


def test_a_shaded_prompt_reads_as_the_plain_one() -> None:
    for prompt in ("", "jump", " jump left \n", "jump " * 100, "ab cde f " * 300, "x" * 2000):
        num_words = len(prompt.split())
        text = "".join(piece.text for piece in shaded(leaning(prompt, *[0.1] * num_words)))
        assert re.sub(", [^,]* of the shading with them", "", text) == texts.excerpt(prompt)


def test_the_shading_that_is_left_out_with_the_middle_of_a_prompt_is_told() -> None:
    item = leaning(f"first {'x ' * 500}middle {'x ' * 500}last", 0.2, *[0.0] * 500, -0.75, *[0.0] * 500, 0.05)
    pieces = shaded(item)
    assert [piece.text for piece in pieces if piece.tone] == ["first", "last"]
    assert any("75 % of the shading with them" in piece.text.replace(numbers.NBSP, " ") for piece in pieces)


def test_mcnemars_p_is_shown_as_a_description_and_said_never_to_accept() -> None:
    page = render(loop_result())
    assert "which describes this one pair of models and never accepts" in page
    assert "mended 104 and broke 5" in page


def test_a_plan_that_could_see_no_possible_gain_says_so() -> None:
    start = rejected_round()
    assert start.plan.endpoint is not None
    blind = replace(start, plan=replace(start.plan, endpoint=replace(start.plan.endpoint, detectable_gain=None)))
    assert "no possible gain would be seen in four of five such experiments" in render(loop_result(blind))


def test_the_path_of_the_gain_over_looks_is_shown_with_what_each_needed() -> None:
    round_ = accepted_round()
    looks = (
        LookRecord(3, 0.0021, Gain(0.047, (-0.02, 0.114), 0.03, "random"), 0.083, 0.61, Ending.GOES_ON),
        LookRecord(5, 0.0047, Gain(0.051, (0.012, 0.090), 0.0043, "random"), 0.049, 0.94, Ending.ACCEPTED),
    )
    text = Page(render(loop_result(replace(round_, verdict=replace(round_.verdict, looks=looks))))).text
    assert "Chance that all seeds show it" in text
    assert "not decided; more seeds were trained" in text
    assert "+0.083" in text
    assert "Chance that all seeds show it" not in Page(render(loop_result())).text
