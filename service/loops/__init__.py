"""A loop as it is asked for: recipes, the command line that they make, and the states that it goes through."""
