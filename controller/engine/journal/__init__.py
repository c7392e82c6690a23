"""What was done, once: the stage store, the lock of a run directory, the ledger of judgements."""
