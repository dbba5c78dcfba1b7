"""A copy of the tree to put faults into, built apart: the working tree is never touched."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from mutator import configuration

CARRIED = ("Sources", "Tests", "Benchmarks")  # Benchmarks: Package.swift names it.
BUNDLE = ".build/debug/forebayPackageTests.xctest"
UNCHANGED = ".build/debug/unchanged.xctest"

VARIABLE = "FOREBAY_MUTANT"
ASKING = f"""import Glibc

private let mutantThatIsOn = getenv("{VARIABLE}").flatMap {{ Int32(String(cString: $0)) }} ?? 0

func isOn(mutant number: Int32) -> Bool {{ number == mutantThatIsOn }}
"""

# Behind the copy's manifest: only what the tests need is built, and a warning is no error, for a fault may well leave a variable unused.
MANIFEST = """
// -- What follows is not in the tree: Tests/mutations needs these tests and what they stand on, whatever warnings there are.
private let wantedTests: Set<String> = [%s]
private var wanted = wantedTests
private var open = Array(wantedTests)
while let name = open.popLast() {
    for dependency in package.targets.first(where: { $0.name == name })?.dependencies ?? [] {
        switch dependency {
        case .targetItem(let name, _), .byNameItem(let name, _): if wanted.insert(name).inserted { open.append(name) }
        default: break
        }
    }
}
package.products = []
package.targets.removeAll { !wanted.contains($0.name) }
for target in package.targets where target.swiftSettings != nil { target.swiftSettings!.append(.treatAllWarnings(as: .warning)) }
"""


class BuildFailed(Exception):
    """A copy without a fault does not build, or a build failed without an error in a source."""


def declared_tests(root):
    """The test targets that Package.swift declares."""
    return set(re.findall(r'(?:tests\(|testTarget\(\s*name:)\s*"(\w+)"', (Path(root) / "Package.swift").read_text()))


class Tree:
    """The copy in `.build/mutations/NAME`."""

    def __init__(self, root, name, tests, modules=configuration.MODULES):
        self.root, self.tests, self.modules = Path(root), sorted(tests), modules
        self.folder = self.root / configuration.WORK / name
        self.bundle, self.unchanged = self.folder / BUNDLE, self.folder / UNCHANGED
        self.changed = {}  # path: what it was

    def refresh(self):
        """Copies the tree as it is now, and gives its fingerprint. Files that are the same keep their times: the build stays incremental.

        The copy is this process's own until it ends.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.folder / ".lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"{self.folder} is in use by another run; give each a --shard of its own") from None
        wanted = self.wanted()
        for part in CARRIED:
            for file in (self.folder / part).rglob("*"):
                if file.is_file() and file.relative_to(self.folder) not in wanted:
                    file.unlink()
        for path, content in wanted.items():
            self.write(path, content)
        return fingerprint(wanted)

    def wanted(self):
        """What the copy holds when nothing is changed, by path."""
        wanted = {
            file.relative_to(self.root): file.read_bytes()
            for part in CARRIED
            for file in sorted((self.root / part).rglob("*"))
            if file.is_file() and file.suffix not in (".py", ".pyc", ".md", ".patch")
        }
        manifest = (self.root / "Package.swift").read_text() + MANIFEST % ", ".join(f'"{name}"' for name in self.tests)
        # Also where none is on: a module that declares nothing more has its tests compiled no more.
        switches = {Path("Sources") / module / configuration.SWITCH: ASKING.encode() for module in self.modules}
        return wanted | switches | {Path("Package.swift"): manifest.encode()}

    def write(self, path, content):
        file = self.folder / path
        if not file.exists() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def text(self, path):
        return (self.folder / path).read_text()

    def original(self, path):
        """What it was before any change."""
        return self.changed[path].decode() if path in self.changed else self.text(path)

    def change(self, path, text):
        file = self.folder / path
        self.changed.setdefault(path, file.read_bytes() if file.exists() else None)
        self.write(path, text.encode())

    def apply(self, patch):
        """Applies a patch. Gives whether it could, and what git says if not."""
        touched = touched_by(patch)
        for path in touched:
            file = self.folder / path
            self.changed.setdefault(path, file.read_bytes() if file.exists() else None)
        alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(self.folder.parent)}  # The copy is no part of the repository around it.
        done = subprocess.run(["git", "apply", str(patch)], cwd=self.folder, env=alone, capture_output=True, text=True)
        return done.returncode == 0, done.stderr.strip()

    def restore(self):
        for path, content in self.changed.items():
            if content is None:
                (self.folder / path).unlink(missing_ok=True)
            else:
                self.write(path, content)
        self.changed = {}

    def build(self):
        """Whether it builds, and what the compiler says if not."""
        fine, output = self.compile()
        if fine:
            return True, ""
        errors = [line for line in output.splitlines() if ".swift:" in line and "error:" in line]
        return False, errors[0] if errors else "the compiler crashed"

    def compile(self):
        """Whether it builds, and all that the compiler says."""
        command = ["swift", "build", "--build-tests", "--package-path", str(self.folder)]
        try:
            done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=configuration.BUILD_TIMEOUT)
        except subprocess.TimeoutExpired:
            return False, f"{self.folder}/Package.swift:1:1: error: the build does not end"
        output = done.stdout + done.stderr
        # A crash is the compiler's own fault, but no program either way.
        if done.returncode != 0 and not re.search(r"\.swift:.*error:|Stack dump:", output):
            raise BuildFailed(output[-3000:])
        return done.returncode == 0, output

    def build_unchanged(self):
        self.restore()
        fine, reason = self.build()
        if not fine:
            raise BuildFailed(f"the tree without any change does not build: {reason}")
        shutil.copyfile(self.bundle, self.unchanged)
        self.unchanged.chmod(0o755)


def fingerprint(files):
    """Of what is built: results of another tree say nothing about this one."""
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        if path.suffix in (".swift", ".c", ".h", ".modulemap"):
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def touched_by(patch):
    return sorted(set(re.findall(r"^\+\+\+ b/(\S+)", Path(patch).read_text(), re.MULTILINE)))
