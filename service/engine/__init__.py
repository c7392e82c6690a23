"""The engine: a queue of loops, and the processes that carry them out; nothing of its back end shows outside.

`service.engine.queue` alone imports DBOS.
"""
