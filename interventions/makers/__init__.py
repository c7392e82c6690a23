"""Who writes new rows, and who checks them."""
