"""A disk small enough to be filled."""

import os
import subprocess

from .support import Skip


def mounted(rig, size):
    """An ext4 of its own, which goes with the scenario."""
    image, mount = rig.folder / "disk.img", rig.folder / "disk"
    mount.mkdir()
    with open(image, "wb") as file:
        file.truncate(size)
    for command in (["mkfs.ext4", "-q", "-m", "0", str(image)], ["mount", "-o", "loop", str(image), str(mount)]):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            raise Skip(command[0]) from None
        if done.returncode:
            raise Skip(f"root and a loop mount ({done.stderr.strip()})")
    rig.closing.insert(0, lambda: subprocess.run(["umount", str(mount)], check=True))
    return mount


def free(mount):
    found = os.statvfs(mount)
    return found.f_bavail * found.f_frsize


def fill(path):
    """To the last block."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
