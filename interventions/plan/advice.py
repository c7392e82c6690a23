"""Advise on causes that no change of data cures: which setting, prompt or item to change, and what shows it.

Names keys of this project and of lm-eval's task files; whoever trains or measures elsewhere has the same under another
name.
"""

from diagnose.finding.finding import Cause, Finding

_SHOWN = 5
"""Most items that are named."""
_OTHERWISE = "; or interventions=reformat, which writes training rows in the evaluation's form"
_MUCH = 0.05
"""Share of rows above which a fault of batches is reported."""


def advice(finding: Finding) -> str:
    """Advice on the finding's cause, in words; empty for causes that lie in the data."""
    match finding.cause:
        case Cause.TRAINING_SETUP:
            return f"a setting of the training is wrong; {_setting(finding)}; more data would not help"
        case Cause.CONTAMINATION:
            return "evaluation items stood in the corpus; without them, measure again"
        case Cause.FORMAT:
            advised = f"{_form(finding)}; no data is changed"
            return advised + _OTHERWISE if finding.forms else advised
        case Cause.WRONG_GOLD:
            return f"the evaluation's gold answers disagree with the data; {_items(finding)}; no data is changed"
        case Cause.CAPACITY:
            return f"the model is too small for more; {_size(finding)}"
        case _:
            return ""


def _setting(finding: Finding) -> str:
    if _value(finding, "end_masked") > 0:
        return "set train.end_in_loss=true, for the model is never taught where an answer ends"
    if _value(finding, "truncated") > _MUCH:
        return f"raise train.max_length: {_value(finding, 'truncated'):.0%} of the rows lose tokens"
    if _value(finding, "without_loss") > 0:
        rows = f"{_value(finding, 'without_loss'):.0%} of the rows"
        return f"{rows} have no token in the loss: raise train.max_length, or correct corpus.completion"
    if _value(finding, "runs_on") * (1 - _value(finding, "ends")) > _MUCH:
        return (
            "the model runs on after right answers: train with the end token in the loss, or give the task a stop "
            "string (generation_kwargs.until)"
        )
    tried = next((one for one in finding.experiments if one.cause is Cause.TRAINING_SETUP), None)
    if tried is not None and finding.shows(Cause.TRAINING_SETUP):
        return (
            "train longer (train.num_train_epochs, train.max_steps or train.tokens): trained on with the same data for "
            f"{tried.length:.0%} of an arm the failed items came {tried.effect.mean:.0%} of the way to those that pass"
        )
    if (drawn := _value(finding, "passes")) and drawn < 1:
        return (
            "train longer (train.num_train_epochs, train.max_steps or train.tokens): training drew "
            f"{drawn:.0%} of as many rows as the corpus has"
        )
    return (
        "train longer (train.num_train_epochs, train.max_steps or train.tokens): the loss fell by "
        f"{_value(finding, 'falling'):.0%} between the last two checkpoints, and the model does not yet give its own "
        "training rows right"
    )


def _form(finding: Finding) -> str:
    mapped, reprompted, wrapped = (_value(finding, name) for name in ("mapped", "reprompted", "wrapped"))
    if wrapped > max(mapped, reprompted):
        says = _says(finding, "wrapping")
        return (
            f"training gives the answers after other words; {says} Write the training's answers as the task's "
            "doc_to_choice or doc_to_target has them, or these as the training does"
        )
    right = "the answers are right in another form"
    if reprompted > mapped:
        return f"{right}; {_says(finding, 'prompts')} Change the task's doc_to_text, or corpus.prompt_template"
    says = f"{_says(finding, 'mappings')} Change the task's filter or doc_to_target".strip()
    return f"{right}; {says}, or write the training's answers that way"


def _items(finding: Finding) -> str:
    doubted = [item for test in finding.tests if test.test == "golds" for item in test.items]
    if not doubted:
        return "have the failed items reviewed"
    listed = ", ".join(map(str, doubted[:_SHOWN])) + (", ..." if len(doubted) > _SHOWN else "")
    return f"have {len(doubted)} items reviewed, or leave them out of the task's documents: {listed}"


def _size(finding: Finding) -> str:
    learnt = finding.evidence.get("learnt")
    shown = f": it gives {learnt:.0%} of its own training rows of the slice right" if isinstance(learnt, float) else ""
    return f"try a wider one (model.arch.hidden_size, or a larger model.name){shown}"


def _value(finding: Finding, name: str) -> float:
    value = finding.evidence.get(name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _says(finding: Finding, test: str) -> str:
    return next((found.says for found in finding.tests if found.test == test), "")
