"""Steps, limits, allocation, advice: what will be changed."""
