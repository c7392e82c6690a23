"""The proving ground: worlds with a planted defect, on which the loop is right or wrong."""
