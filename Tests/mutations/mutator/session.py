"""One run: draws, tries, and says what came out."""

import hashlib
import os
import random
import re
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutator import configuration, results, together
from mutator.bundle import Bundle
from mutator.judge import Judge
from mutator.tree import VARIABLE, touched_by


class Run:
    """- fingerprint: of the tree, so that results of another one are not mixed with its own.
    - found: the sites, by module.
    - targets: the test targets, by module.
    """

    def __init__(self, options, tree, fingerprint, found, targets):
        self.options, self.tree, self.fingerprint, self.found, self.targets = options, tree, fingerprint, found, targets
        self.root = tree.root
        self.shard, self.shards = part_of(options.shard)
        self.kept = results.Results(self.root / configuration.WORK / "results.jsonl")
        judges = [",".join(options.tests or []), *(f"without {name}" for name in options.skip_tests), "kafka" if options.kafka else ""]
        self.judged_by = " ".join(filter(None, judges))
        self.known = self.kept.latest(fingerprint, self.judged_by)
        self.equivalent = self.equivalents()
        self.seed = options.seed
        self.is_draw = options.patches is None and not options.site and not options.survivors
        if self.seed is None and options.resume:
            self.seed = self.kept.last_seed()
        if self.seed is None:
            self.seed = int(time.time())
        self.scratch = next(folder for folder in map(Path, configuration.SCRATCH) if folder.is_dir()) / f"forebay-mutations-{os.getpid()}"
        unchanged, changed = (Bundle(program, self.scratch / "alone", options.kafka) for program in (tree.unchanged, tree.bundle))
        self.judge = Judge(tree, unchanged, changed, targets, options.skip_tests)
        self.pool = ThreadPoolExecutor(configuration.JOBS)
        self.records = []
        self.is_ready = False

    def equivalents(self):
        file = self.root / configuration.EQUIVALENTS
        listed = results.equivalents(file.read_text()) if file.exists() else {}
        marks = {site.mark for of_module in self.found.values() for site in of_module}
        gone = sorted(set(listed) - marks)
        if gone:
            raise SystemExit(
                f"{configuration.EQUIVALENTS}: no site has the mark {', '.join(gone)} any more; look again, then mend or drop the entry")
        return listed

    def go(self):
        options = self.options
        patches, draws = self.patches(), self.draws()
        again = f"--seed {self.seed}" + (f" --shard {options.shard}" if self.shards > 1 else "")
        print(f"tree {self.fingerprint}, {again}; {sum(len(of_module) for of_module in self.found.values())} sites")
        self.modules = {module for module, (order, _) in draws.items() if order}
        self.modules |= {module for patch in patches for module in self.modules_of(patch)}
        if not patches and not self.modules:
            raise SystemExit("nothing to try")
        try:
            for patch in patches:
                self.patch(patch)
            futures = self.judged_together(draws)
            self.draw(draws, futures)
        finally:
            self.pool.shutdown(cancel_futures=True)
            shutil.rmtree(self.scratch, ignore_errors=True)
        return self.report(self.records)

    def prepare(self):
        """Before the first change, unless nothing is left to try: all must be well without one."""
        if self.is_ready:
            return
        began = time.monotonic()
        self.tree.build_unchanged()
        built = time.monotonic()
        seconds = self.judge.baseline(self.modules)
        passed = time.monotonic()
        print(f"without a change: built in {built - began:.0f} s, {len(seconds)} tests pass in {passed - built:.0f} s", flush=True)
        self.is_ready = True

    # What is drawn

    def draws(self):
        """By module: the sites in the order of trying, and how many of them that build are enough."""
        options = self.options
        if options.patches is not None:
            return {}
        left = chosen(options, self.found)
        if options.survivors:
            marks = self.kept.last_survivors()
            left = {module: [site for site in of_module if site.mark in marks] for module, of_module in left.items()}
        exhaustive = options.all or options.site or options.survivors
        quotas = {module: len(of_module) for module, of_module in left.items()} if exhaustive else shares(options.count, left)
        drawn = {}
        for module, of_module in left.items():
            order = sorted(of_module, key=lambda site: site.mark)  # Not by place: lines that move draw the same.
            random.Random(f"{self.seed} {module}").shuffle(order)
            if not options.site:
                order = [site for site in order if site.mark not in self.equivalent]
            mine = range(self.shard - 1, len(order), self.shards)
            part = quotas[module] // self.shards + (self.shard <= quotas[module] % self.shards)
            drawn[module] = [order[at] for at in mine], part
        return drawn

    def judged_together(self, draws):
        """What comes of those of the first to be tried that can be built in one program, by mark: as futures, in their order."""
        first = [site for order, quota in draws.values() for site in order[:quota] if not self.is_known(site.mark)]
        if len(first) < configuration.FEW:
            return {}
        self.prepare()
        began = time.monotonic()
        program = together.build(self.tree, first)
        print(f"{len(program.numbers)} of {len(first)} mutants are in one program: {time.monotonic() - began:.0f} s", flush=True)
        return {
            site.mark: self.pool.submit(self.one_of_many, site, program)
            for site in first
            if site.mark in program.numbers
        }

    def one_of_many(self, site, program):
        number = program.numbers[site.mark]
        changed, unchanged = (
            Bundle(program.path, self.scratch / str(number), self.options.kafka, {VARIABLE: str(on)}) for on in (number, 0)
        )
        try:
            return self.judge.tried([site.module], changed, unchanged)
        finally:
            shutil.rmtree(changed.folder, ignore_errors=True)

    def alone(self, site):
        self.prepare()
        self.tree.change(site.path, site.applied(self.tree.text(site.path)))
        try:
            return self.judge.judge([site.module])
        finally:
            self.tree.restore()

    def draw(self, draws, futures):
        tried = Counter()
        # Those in the program first: to build one takes longer than to judge it.
        for is_together in (True, False):
            for module, (order, quota) in draws.items():
                for site in [site for site in order if (site.mark in futures) == is_together]:
                    if tried[module] < quota:
                        tried[module] += self.one(module, site, futures)["outcome"] != "invalid"

    def one(self, module, site, futures):
        if self.is_known(site.mark):
            record = self.known[site.mark]
            self.records.append(record)
            return record
        diff = site.diff(self.tree.text(site.path))
        outcome = futures[site.mark].result() if site.mark in futures else self.alone(site)
        what = {"id": site.id, "mark": site.mark, "module": module, "operator": site.operator, "diff": diff}
        return self.keep(what, outcome)

    def is_known(self, mark):
        return self.options.resume and mark in self.known

    # Patches

    def patches(self):
        options = self.options
        narrowed = options.module or options.file or options.site or options.operator or options.survivors
        if options.no_patches or (narrowed and options.patches is None):
            return []
        found = sorted(file for folder in configuration.PATCHES for file in (self.root / folder).glob("*.patch"))
        named = [file for file in found if (options.patches or "") in str(file)]
        if options.patches and not named:
            raise SystemExit(f"--patches {options.patches}: there is none; one of {', '.join(file.stem for file in found)}")
        return named[self.shard - 1 :: self.shards]

    def modules_of(self, patch):
        modules = {path.split("/")[1] for path in touched_by(patch) if path.startswith("Sources/")}
        return sorted(module for module in modules if module in self.targets)

    def patch(self, patch):
        path = str(patch.relative_to(self.root))
        mark = hashlib.sha256(path.encode() + patch.read_bytes()).hexdigest()[:10]
        if self.is_known(mark):
            self.records.append(self.known[mark])
            return
        modules = self.modules_of(patch)
        if modules:
            self.prepare()
        try:
            applies, reason = self.tree.apply(patch)
            if not applies:
                outcome = {"outcome": "stale", "reason": f"no longer applies, write it anew: {reason}"}
            elif not modules:
                outcome = {"outcome": "stale", "reason": f"changes no module that has tests here: {', '.join(touched_by(patch))}"}
            else:
                outcome = self.judge.judge(modules)
                if outcome["outcome"] == "invalid":
                    outcome |= {"outcome": "stale", "reason": f"no longer builds, write it anew: {outcome['reason']}"}
        finally:
            self.tree.restore()
        catcher = re.search(r"^Caught by: (scenario .*)$", patch.read_text(), re.MULTILINE)
        if outcome["outcome"] == "survived" and catcher and not set(modules) & set(self.found):
            outcome |= {"outcome": "elsewhere", "reason": f"only a real Kafka shows it: {catcher[1]}"}
        claim = patch.read_text().split("\n")[0]
        self.keep({"id": path, "mark": mark, "module": ",".join(modules), "operator": "patch", "diff": claim}, outcome)

    # What came out

    def keep(self, what, outcome):
        record = what | outcome | {"tree": self.fingerprint, "judged_by": self.judged_by, "seed": self.seed}
        record |= {"is_draw": self.is_draw, "at": int(time.time())}
        self.kept.add(record)
        self.records.append(record)
        by = f" by {record['test'] or 'the run'} ({record['how']})" if record["outcome"] == "killed" else ""
        why = f": {record['reason']}" if record["outcome"] in ("stale", "unproven", "elsewhere") else ""
        times = f"{record.get('build', 0):.1f} + {record.get('tests', 0):.1f} s"
        print(f"{record['outcome']:9} {times:>14}  {record['id']}{by}{why}", flush=True)
        return record

    def report(self, records):
        records = [record for record in records if record["mark"] not in self.equivalent]
        for record in records:
            if record["outcome"] in ("survived", "unproven"):
                print(f"\n{record['outcome']}: {record['id']}{' (' + record['reason'] + ')' if record['reason'] else ''}\n{record['diff']}")
        lines, short = results.table(self.found, records, self.equivalent)
        print("", *lines, sep="\n")
        patches = [record for record in records if record["operator"] == "patch"]
        failed = [record for record in patches if record["outcome"] not in ("killed", "elsewhere")]
        if patches:
            print(f"\npatches: {sum(record['outcome'] == 'killed' for record in patches)} of {len(patches)} killed")
            for record in patches:
                if record["outcome"] != "killed":
                    print(f"  {record['outcome']}: {record['id']} {record['reason']}")
        if short:
            print(f"\nless than {configuration.ENOUGH:.0%} killed in {', '.join(short)}")
        print(f"\nresults: {os.path.relpath(self.kept.path)}; seed {self.seed}")
        return 1 if short or failed else 0


def shares(count, left):
    """Equal parts for each module that has sites; what a small one can't fill goes to the others."""
    quotas = dict.fromkeys(left, 0)
    while sum(quotas.values()) < count and (unfilled := [module for module in left if quotas[module] < len(left[module])]):
        for module in unfilled[: count - sum(quotas.values())]:
            quotas[module] += 1
    return quotas


def chosen(options, found):
    """The sites that the options leave."""

    def fits(site):
        return (
            (not options.module or site.module in options.module)
            and (not options.file or site.path.endswith(tuple(options.file)))
            and (not options.operator or site.operator in options.operator)
            and (not options.site or site.id in options.site or site.mark in [name.split("@")[-1] for name in options.site])
        )

    for name in options.module or []:
        if name not in found:
            raise SystemExit(f"--module {name}: one of {', '.join(found)}")
    left = {module: [site for site in of_module if fits(site)] for module, of_module in found.items()}
    for name in options.site or []:
        if not any(name.split("@")[-1] == site.mark for of_module in left.values() for site in of_module):
            raise SystemExit(f"--site {name}: there is no such site; its line has changed (--list shows all)")
    return left


def part_of(shard):
    number, count = (int(part) for part in shard.split("/"))
    if not 1 <= number <= count:
        raise SystemExit(f"--shard {shard}: the first of two is 1/2")
    return number, count
