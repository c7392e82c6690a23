"""What the worker server imports before it forks its first worker."""

from controller.worker_server import lasting_imports

with lasting_imports():
    import controller.stages  # noqa: F401
