"""EXPLAIN: from failed probe items to the data behind them, and to a cause."""
