"""Planted bugs: each patch in planted/ is built apart, and what it names must catch it.

A patch opens with a line `Caught by: scenario NAME [--option …]` or `Caught by: swift test --filter NAME`. The tree is copied to
.build/planted and built there, so only the first build is a whole one. PLANTED=NAME in the environment picks one.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from rig.support import ROOT, Failure, Skip, tail

LONG_ONLY = True
HERE = Path(__file__).resolve().parents[1]
COPY = ROOT / ".build/planted"
CARRIED = ("Sources", "Tests", "Benchmarks")


def run(rig):
    patches = sorted((HERE / "planted").glob(os.environ.get("PLANTED", "*") + ".patch"))
    if not patches:
        raise Skip("patches in planted/")
    caught = []
    for patch in patches:
        command = re.search(r"^Caught by: (.*)$", patch.read_text(), re.MULTILINE)
        rig.check(f"{patch.name} says what catches it", command)
        tree()
        alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(COPY.parent)}  # the copy is no part of the repository around it
        shell(rig, ["git", "apply", patch], f"{patch.name} applies", cwd=COPY, env=alone)
        output = attempt(rig, patch, shlex.split(command[1]))
        caught.append(patch.stem)
        rig.say(f"{patch.stem}: caught ({output})")
    tree()
    rig.note(f"{len(caught)} of {len(patches)} planted bugs caught: {', '.join(caught)}")


def tree():
    """A clean copy of the tree as it is now; files that did not change keep their times, so the build stays incremental."""
    wanted = {file.relative_to(ROOT) for part in CARRIED for file in (ROOT / part).rglob("*") if file.is_file()} | {Path("Package.swift")}
    present = {file.relative_to(COPY) for part in CARRIED for file in (COPY / part).rglob("*") if file.is_file()}
    for path in present - wanted:
        (COPY / path).unlink()
    for path in wanted:
        if not (COPY / path).exists() or (COPY / path).read_bytes() != (ROOT / path).read_bytes():
            (COPY / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, COPY / path)


def attempt(rig, patch, command):
    """Builds the bug and runs what must fail; gives the line that says so."""
    log = rig.folder / f"{patch.stem}.log"
    if command[0] == "scenario":
        shell(rig, ["swift", "build", "-c", "release", "--product", "forebay", "-j", "2", "--package-path", COPY], f"{patch.name} builds")
        # From our own scenarios, so that the copy needs none of the rig; the binary alone is the copy's.
        command = ["env", f"SCENARIO_BINARY={COPY}/.build/release/forebay", f"SCENARIO_FOLDER={rig.folder}/runs",
                   HERE / "run", *command[1:], f"--seed={rig.seed}"]
        failed = r"^FAIL (?!.*the rig itself).*"
    else:
        shell(rig, ["swift", "build", "--build-tests", "-j", "2", "--package-path", COPY], f"{patch.name} builds")
        command = [*command, "--skip-build", "--package-path", COPY]
        failed = r"^.*(?:recorded an issue|failed after|with \d+ issues?).*$"
    with open(log, "wb") as output:
        code = subprocess.run([str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, timeout=1200).returncode
    said = re.search(failed, log.read_text(errors="replace"), re.MULTILINE)
    if not code or not said:
        raise Failure(f"{patch.stem} was NOT caught (exit {code}):\n{tail(log)}")
    return said[0].strip()[:160]


def shell(rig, command, claim, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    rig.check(claim, done.returncode == 0, (done.stdout + done.stderr)[-3000:])
