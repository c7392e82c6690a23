"""Proving ground: worlds with a planted defect, on which it is known whether the loop is right."""
