"""Import what stages need in the worker server, before it forks its first worker."""

from controller.engine.workers.server import die_with_parent, lasting_imports

die_with_parent()
with lasting_imports():
    import evals.harness.asking  # noqa: F401
