"""Write new rows, and check them."""
