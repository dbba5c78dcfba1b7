"""Many mutants in one program: what is written, who is to blame when it does not build, and what a run makes of it."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mutator import sites, together, tree  # noqa: E402

SOURCE = """struct Counter {
    static let step = 2 + 3
    var count = 0
    var isLarge: Bool { self.count > 10 }

    mutating func add(_ more: Int) {
        guard more > 0 else { return }
        func twice() -> Int { more + more }
        self.count += twice()
    }
}
"""


class Together(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = Path(folder.name)
        for path, text in {"Sources/A/Counter.swift": SOURCE, "Package.swift": 'tests("ATests", [])'}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        self.copy = tree.Tree(root, "tree-1", ["ATests"], ["A"])
        self.copy.refresh()
        self.addCleanup(self.copy.lock.close)
        self.sites = sites.of_tree(root, ["A"])["A"]
        self.texts = []

    def compiling(self, *answers):
        """The compiler says these, one for each build, then yes."""
        answers = list(answers)

        def compile():
            self.texts.append(self.copy.text("Sources/A/Counter.swift"))
            self.assertIn(tree.VARIABLE, self.copy.text("Sources/A/MutantThatIsOn.swift"))
            self.copy.bundle.parent.mkdir(parents=True, exist_ok=True)
            self.copy.bundle.write_text("program")
            return (False, answers.pop(0)) if answers else (True, "")

        self.copy.compile = compile

    def error(self, line):
        return f"{self.copy.folder}/Sources/A/Counter.swift:{line}:3: error: no\n"

    def test_each_body_asks_and_what_stands_in_none_is_left_out(self):
        numbers = {site.mark: number for number, site in enumerate(self.sites, 1)}
        text, places = together.switched(SOURCE, self.sites, numbers)
        outside = [site for site in self.sites if site.line < 4]
        self.assertTrue(outside)
        self.assertEqual({place.mark for place in places}, set(numbers) - {site.mark for site in outside})
        lines = text.split("\n")
        for place in places:
            site = next(site for site in self.sites if site.mark == place.mark)
            self.assertTrue(lines[place.first - 2].endswith(f"if isOn(mutant: {numbers[place.mark]}) {{"))
            mine = "\n".join(lines[place.first - 1 : place.last])
            self.assertIn(mine, site.applied(SOURCE))
            self.assertNotIn(mine, SOURCE)
            self.assertTrue(place.body[0] <= place.first and place.last <= place.body[1])
        self.assertIn("} else {\nself.count > 10\n}", text)

    def test_one_body_is_one_chain(self):
        text, places = together.switched(SOURCE, self.sites, {site.mark: 1 for site in self.sites})
        self.assertEqual(len({place.body for place in places}), 2, "what is in a function of a function belongs to the outer one")
        self.assertEqual(text.count("isOn(mutant:"), len(places))

    def test_all_that_build_are_in_the_program_and_the_copy_is_as_it_was(self):
        self.compiling()
        program = together.build(self.copy, self.sites)
        self.assertEqual(program.path.read_text(), "program")
        self.assertEqual(len(program.numbers), sum(site.line >= 4 for site in self.sites))
        self.assertEqual(self.copy.text("Sources/A/Counter.swift"), SOURCE)

    def test_those_in_whose_lines_an_error_is_are_left_out(self):
        text, places = together.switched(SOURCE, self.sites, {site.mark: n for n, site in enumerate(self.sites, 1)})
        bad = places[3]
        self.compiling(self.error(bad.first))
        program = together.build(self.copy, self.sites)
        self.assertEqual(set(program.numbers), {place.mark for place in places} - {bad.mark})
        self.assertEqual(len(self.texts), 2)
        for mark, number in program.numbers.items():
            self.assertEqual(self.sites[number - 1].mark, mark, "nobody else gets another number: what is the same is not compiled again")
            self.assertIn(f"isOn(mutant: {number})", self.texts[1])

    def test_an_error_elsewhere_in_a_body_is_its_mutants_and_one_elsewhere_in_a_file_is_the_files(self):
        text, places = together.switched(SOURCE, self.sites, {site.mark: n for n, site in enumerate(self.sites, 1)})
        body = places[-1].body
        for line in (body[1], body[1] + 1):  # Also where its brace closes.
            self.compiling(self.error(line))
            program = together.build(self.copy, self.sites)
            self.assertEqual(set(program.numbers), {place.mark for place in places if place.body != body})
        self.compiling(self.error(1))
        self.assertEqual(together.build(self.copy, self.sites).numbers, {})

    def test_an_error_that_is_no_mutants_ends_the_run(self):
        self.compiling(f"{self.copy.folder}/Sources/B/Other.swift:1:1: error: no\n")
        with self.assertRaises(tree.BuildFailed):
            together.build(self.copy, self.sites)


if __name__ == "__main__":
    unittest.main()
