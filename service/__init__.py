"""The service: loops that wait in a queue, run as processes and are watched, from a browser or the command line.

It stands above `controller` and runs the command line's own `evalmend loop`; nothing below imports it. What a run
directory holds is the truth: the database here is an index and a queue, and losing it loses no result. The process of
the server imports neither torch nor any other back end of models.
"""
