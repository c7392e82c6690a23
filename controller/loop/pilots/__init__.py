"""Small trainings before a proposal: how much is changed, and what the cause is."""
