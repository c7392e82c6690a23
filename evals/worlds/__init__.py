"""Four small worlds for the proving ground; two of them are kept for judging."""
