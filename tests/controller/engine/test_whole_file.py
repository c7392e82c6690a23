"""A file is the old one or the new one, never a part."""

import subprocess
import sys
from pathlib import Path

from controller.engine.whole_file import write_whole

NO_ROOM = """
import resource, signal, sys
from pathlib import Path
from controller.engine.whole_file import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_whole(Path(sys.argv[1]), b"new" * 1000)
"""
"""Writes 3,000 bytes where a file may have 1,000."""


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    for content in (b"old", b"new"):
        assert write_whole(file, content) == file
        assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]


def test_where_the_new_file_cannot_be_written_the_old_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    write_whole(file, b"old")
    ended = subprocess.run([sys.executable, "-c", NO_ROOM, str(file)], capture_output=True, text=True, check=False)
    assert "File too large" in ended.stderr
    assert file.read_bytes() == b"old"
