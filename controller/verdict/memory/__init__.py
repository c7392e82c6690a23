"""What judgements leave beside the runs for later ones: how often items were looked at, and how much runs vary."""
