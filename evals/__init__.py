"""MEASURE: lm-eval tasks on a model, every item's result kept, splits that no later stage can bend."""
