"""Write a file completely or not at all."""

from pathlib import Path


def write_whole(file: Path, content: bytes) -> Path:
    """Put a file in the place of the one that may be there, in one step: readers and a process that goes on after a
    kill find the old one or the new one, never a part. Returns the file."""
    temporary = file.with_name(f"{file.name}.tmp")
    temporary.write_bytes(content)
    return temporary.replace(file)
