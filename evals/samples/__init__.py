"""Results that were made elsewhere: folders of other programs' logs become items and reports as measured ones are.

One module for each form of a log turns it into the same neutral records (`evals.samples.record`); what is ambiguous is
refused with the way out. `evals.samples.read` chooses the form, `evals.samples.results` makes items and results.
"""
