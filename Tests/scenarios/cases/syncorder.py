"""No 202 leaves before its event's bytes are synced and every directory entry on the way to them is: seen in the order of system calls.

One client posts one event after another, of a size that makes segments roll. strace is the witness; a killed process could not be one, since
what was written and not synced survives in the kernel's memory.
"""

import os

from rig import tracing
from rig.support import until

STAGE = "spool"
ROUNDS = {"ci": 150, "long": 1000}
CALLS = ("openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,close,fsync,fdatasync,write,writev,sendto,sendmsg,"
         "pwrite64,pwritev,pwritev2,io_uring_setup")
SYNCED_WRITES = ("O_DSYNC", "O_SYNC")


def run(rig):
    kafka = rig.kafka()
    kafka.create("events", 1)
    node = rig.node(kafka, spool={"segment": "1MiB"})
    trace = rig.folder / "trace"
    node.start(under=tracing.strace(trace, "-s", "4096", "-e", f"trace={CALLS}"))
    for number in range(rig.rounds):
        size = rig.random.choice((200, 200, 3000, 60_000))
        status, answer = node.post("events", marker(number) + b"." * size)
        rig.check("202", status == 202, answer)
    rig.drain(node)
    rig.check("it ends in peace", node.terminate() == 0)
    until("the trace is whole", lambda: not os.path.exists(f"/proc/{node.process.pid}"))
    witness = Witness(rig, str(node.data.resolve()))
    for call in tracing.calls(trace):
        witness.see(call)
    rig.check("every event was seen being written and answered", witness.answered == rig.rounds, f"{witness.answered} of {rig.rounds}")
    rig.note(f"{witness.answered} answers, each after its sync, over {len(witness.segments)} files; {witness.entries} directory entries synced")


def marker(number):
    return b"event-%08d|" % number


class Witness:
    """Keeps which files are dirty and which directory entries are not yet synced."""

    def __init__(self, rig, folder):
        self.rig, self.folder = rig, folder
        self.next, self.answered, self.entries = 0, 0, 0
        self.synced_files, self.dirty, self.unsynced_entries, self.seen = set(), {}, {}, set()
        self.holding, self.segments = None, set()  # the file that took the event waited for; all such files

    def see(self, call):
        if call.name == "io_uring_setup":
            self.rig.check("writes can be seen (io_uring hides them)", False)
        if call.failed:
            return
        handler = getattr(self, "on_" + {"open": "openat", "creat": "openat", "mkdirat": "mkdir", "fsync": "sync", "fdatasync": "sync",
                                         "renameat": "rename", "renameat2": "rename", "link": "rename", "linkat": "rename"}
                          .get(call.name, call.name), self.on_output)
        handler(call)

    def on_close(self, call):
        pass

    def on_openat(self, call):
        path = call.result_path
        if path and path.startswith(self.folder):
            if "O_CREAT" in call.text and path not in self.seen:
                self.enter(path)
            if any(flag in call.text for flag in SYNCED_WRITES):
                self.synced_files.add(path)

    def on_mkdir(self, call):
        path = os.path.join(os.path.dirname(self.folder), call.paths()[0])
        if path.startswith(self.folder):
            self.enter(path.rstrip("/"))

    def on_rename(self, call):
        old, new = (os.path.join(self.folder, path) for path in call.paths()[-2:])
        if new.startswith(self.folder):
            self.enter(new)
            for table in (self.dirty, self.unsynced_entries):
                if old in table:
                    table[new] = table.pop(old)
            if old in self.synced_files:
                self.synced_files.discard(old)
                self.synced_files.add(new)
            if self.holding == old:
                self.holding = new

    def enter(self, path):
        self.seen.add(path)
        self.unsynced_entries[path] = os.path.dirname(path)

    def on_sync(self, call):
        path = call.descriptor_path
        self.dirty = {p: at for p, at in self.dirty.items() if p != path or at > call.began}
        done = [p for p, parent in self.unsynced_entries.items() if parent == path]
        self.entries += len(done)
        for entry in done:
            del self.unsynced_entries[entry]

    def on_output(self, call):
        path = call.descriptor_path or ""
        if path.startswith(self.folder):
            if path not in self.synced_files and "RWF_DSYNC" not in call.text:
                self.dirty[path] = call.ended
            if marker(self.next).decode() in call.text and not path.endswith(".log"):
                self.holding = path
                self.segments.add(path)
        elif "HTTP/1.1 202" in call.text:
            self.answer()

    def answer(self):
        event = f"event {self.next}"
        self.rig.check(f"202 for {event} after it was written", self.holding is not None)
        self.rig.check(f"202 for {event} after its file was synced", self.holding not in self.dirty, self.holding)
        path = self.holding
        while path.startswith(self.folder):
            parent = self.unsynced_entries.get(path)
            self.rig.check(f"202 for {event} after the directory of {path} was synced", parent is None)
            path = os.path.dirname(path)
        self.next, self.answered, self.holding = self.next + 1, self.answered + 1, None
