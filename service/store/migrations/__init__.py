"""Steps from each schema to the next, in `versions`; every schema that was ever released can be brought up to date."""
