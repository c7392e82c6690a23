"""What the worker server imports before it forks its first worker."""

from controller.worker_server import die_with_parent, lasting_imports

die_with_parent()
with lasting_imports():
    import controller.stages  # noqa: F401
