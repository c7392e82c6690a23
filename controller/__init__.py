"""Close the loop: training, verdicts, the journal, tracking and the command line; all side effects."""
