"""Train a model on a mix, through transformers' Trainer."""
