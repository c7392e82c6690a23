"""Explain failed probe items: from them to the data behind them, and to a cause."""
