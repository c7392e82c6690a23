"""What answers lm-eval's requests: a model in this process, or one elsewhere; and answers that were kept."""
