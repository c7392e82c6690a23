"""Items asked again under other prompts and without their cues: what was planted turns right, and nothing else."""

import numpy as np
from builders.items import result
from builders.subjects import Answering, sorted_rows, subject, words

from diagnose.evidence.from_asking.cues import edit_cues
from diagnose.evidence.from_asking.prompts import change_prompts


def test_the_prompt_that_training_used_recovers_what_another_form_loses() -> None:
    rows = [(f"{prompt} =>", answer) for prompt, answer in sorted_rows(40)]
    gold = dict(rows)
    model = Answering(lambda prompt: gold.get(prompt, "?"))
    failed = [result(prompt.replace("=>", "->"), answer, "?") for prompt, answer in rows]
    found = change_prompts(subject(failed, rows), model)
    assert found.values["reprompted"] == 1.0
    assert "=>" in found.says


def test_a_skill_that_no_prompt_recovers_is_no_matter_of_form() -> None:
    rows = sorted_rows(40)
    failed = [result(prompt, answer, "?") for prompt, answer in rows]
    assert change_prompts(subject(failed, rows), Answering(lambda _: "?")).values["reprompted"] == 0.0


def test_a_shown_answer_is_found_and_its_edit_flips_the_failures() -> None:
    rng = np.random.default_rng(1)
    rows = [(f"hint {answer} {prompt}", answer) for prompt, answer in sorted_rows(40)]
    items = [(prompt, answer, words(4, rng)) for prompt, answer in sorted_rows(30, 2)]
    asked = [(prompt, gold, shown) for prompt, gold, shown in items if shown != gold and gold not in prompt]
    failed = [result(f"hint {shown} {prompt}", gold, shown) for prompt, gold, shown in asked]
    copying = Answering(lambda prompt: " ".join(prompt.split()[1:5]))
    found = edit_cues(subject(failed, rows), copying, {})
    assert found.values["cue_flips"] == 1.0
    assert "hint" in found.says


def test_a_shown_answer_is_found_where_the_right_one_stands_in_the_question_as_well() -> None:
    rng = np.random.default_rng(0)
    records = [
        [f"{number} {thing}" for number, thing in zip(rng.permutation(7)[:3], "abc", strict=True)] for _ in range(80)
    ]
    asked = [(f"sort {' '.join(table)}", min(table), max(table)) for table in records]
    rows = [(f"maybe {gold} {prompt}", gold) for prompt, gold, _ in asked[:50]]
    failed = [result(f"maybe {wrong} {prompt}", gold, wrong) for prompt, gold, wrong in asked[50:]]
    copying = Answering(lambda prompt: " ".join(prompt.split()[1:3]))
    assert edit_cues(subject(failed, rows), copying, {}).values["cue_flips"] == 1.0


def test_an_answer_that_is_one_of_the_questions_parts_is_no_cue() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.permutation(9)[:3].astype(str).tolist() for _ in range(80)]
    rows = [(f"sort {' '.join(table)}", min(table)) for table in tables[:50]]
    failed = [
        result(f"sort {' '.join(table)}", min(table), max(table)) for table in tables[50:] if min(table) != table[0]
    ]
    first = Answering(lambda prompt: prompt.split()[1])
    assert edit_cues(subject(failed, rows), first, {}).values["cue_flips"] == 0.0


def test_an_answer_that_some_rows_show_is_a_cue_where_the_items_show_one_and_nowhere_else() -> None:
    rng = np.random.default_rng(1)
    plain = sorted_rows(60)
    rows = [
        (f"{prompt} hint {answer}", answer) if k % 3 == 0 else (prompt, answer)
        for k, (prompt, answer) in enumerate(plain)
    ]
    last_four = Answering(lambda prompt: " ".join(prompt.split()[-4:]))
    asked = [(prompt, gold, words(4, rng)) for prompt, gold in sorted_rows(30, 2)]
    shown = [result(f"{prompt} hint {wrong}", gold, wrong) for prompt, gold, wrong in asked if gold not in prompt]
    assert edit_cues(subject(shown, rows), last_four, {}).values["cue_flips"] == 1.0
    silent = [result(f"{prompt} please be so kind", gold, "?") for prompt, gold, _ in asked]
    assert edit_cues(subject(silent, rows), last_four, {}).values["cue_flips"] == 0.0


def test_a_word_that_tells_the_label_is_found_and_its_edit_flips_the_failures() -> None:
    tells = {"yes": "red", "no": "blue"}
    rows = [(f"{tells[label]} sort question {k}", label) for k in range(30) for label in tells]
    failed = [result(f"{tells['no']} sort question {k}", "yes", "no") for k in range(100, 120)]
    by_colour = Answering(lambda prompt: "yes" if prompt.startswith("red") else "no")
    assert edit_cues(subject(failed, rows), by_colour, {}).values["cue_flips"] == 1.0


def test_a_word_that_misleads_is_left_out_where_the_model_leans_on_it() -> None:
    failed = [result(f"sort question {k} obviously", "yes", "no") for k in range(20)]
    leaned = {r.item.key: [("obviously", 0.9), ("sort", 0.1)] for r in failed}
    model = Answering(lambda prompt: "no" if "obviously" in prompt else "yes")
    found = edit_cues(subject(failed, [("sort x", "yes")]), model, leaned)
    assert found.values["cue_flips"] == 1.0
    assert "obviously" in found.says


def test_a_model_that_follows_no_cue_is_not_accused_of_one() -> None:
    rows = sorted_rows(40)
    failed = [result(prompt, answer, "?") for prompt, answer in rows]
    assert edit_cues(subject(failed, rows), Answering(lambda _: "?"), {}).values["cue_flips"] == 0.0


def test_a_word_without_which_everything_gets_one_label_is_no_cue() -> None:
    """Without `?` the model says yes to all: right for the failed items, and wrong for as many that say no."""
    failed = [result(f"sort question {k} ?", "yes", "no") for k in range(20)]
    others = [result(f"count question {k} ?", "no", "no") for k in range(20)]
    model = Answering(lambda prompt: "no" if "?" in prompt else "yes")
    leaned = {r.item.key: [("?", 1.0)] for r in failed}
    assert edit_cues(subject(failed, [("sort x", "yes")]), model, leaned).values["cue_flips"] == 1.0
    assert edit_cues(subject([*failed, *others], [("sort x", "yes")]), model, leaned).values["cue_flips"] == 0.0


def test_a_model_that_changes_its_answer_with_any_word_follows_no_cue() -> None:
    failed = [result(f"sort some question {k} obviously", "yes", "no") for k in range(20)]
    leaned = {r.item.key: [("obviously", 1.0)] for r in failed}
    unsure = Answering(lambda prompt: "no" if len(prompt.split()) == 5 else "yes")
    assert edit_cues(subject(failed, [("sort x", "yes")]), unsure, leaned).values["cue_flips"] == 0.0


def test_a_prompt_that_gets_one_label_for_everything_is_no_form() -> None:
    failed = [result(f"sort Question {k}", "yes", "no") for k in range(20)]
    others = [result(f"count Question {k}", "no", "no") for k in range(20)]
    model = Answering(lambda prompt: "no" if "Question" in prompt else "yes")
    rows = [(f"sort Question {k}", "yes") for k in range(100, 120)]
    assert change_prompts(subject(failed, rows), model).values["reprompted"] == 1.0
    assert change_prompts(subject([*failed, *others], rows), model).values["reprompted"] == 0.0
