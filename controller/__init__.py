"""CLOSE THE LOOP: training, verdicts, the journal, tracking and the command line; all side effects."""
