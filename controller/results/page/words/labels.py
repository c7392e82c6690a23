"""Names of causes, arms, decisions and endings of looks as people read them, by the words that stand in `loop.json`."""

CAUSES = {
    "training_setup": "the training set-up",
    "contamination": "evaluation items in the training data",
    "format": "the format of prompt or answer",
    "wrong_gold": "wrong gold answers in the evaluation",
    "wrong_labels": "wrong labels in the training data",
    "shortcut": "a shortcut the data invites",
    "duplicates": "duplicated training rows",
    "underweighted": "too little weight on data that is there",
    "missing_data": "missing data",
    "capacity": "a model too small for it",
    "unknown": "undecided by the evidence",
}
ARMS = {
    "before": "Before",
    "challenger": "The fix",
    "every_step": "With the steps left out",
    "continue": "Same data, trained on",
    "random": "Random data instead",
    "stratified": "Equal shares of all slices",
    "bm25": "Nearest by words (BM25)",
    "loss": "Rows of highest loss",
    "shuffled": "Same fix, other slices",
    "no_influence": "Fix without influence",
}
DECISIONS = {
    "accepted": "Accepted",
    "rejected": "Not accepted",
    "random_is_enough": "Random rows are enough",
    "not_data": "Not the data",
    "nothing_to_do": "Nothing to do",
    "awaiting_approval": "Waits for approval",
    "not_approved": "Not approved",
}


LOOK_ENDINGS = {
    "accepted": "shown",
    "harmed": "harm is shown",
    "futile": "more seeds would hardly show it",
    "last": "not shown; all seeds are trained",
    "budget": "not shown; the budget ended",
    "goes_on": "not decided; more seeds were trained",
}


def cause_words(cause: str) -> str:
    return CAUSES.get(cause, cause.replace("_", " "))
