"""Python is read as text: within bounds, and without effects."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flask_crewexec.graphs.importers import import_files
from support.counted_calls import count_calls
from support.graphs.foreign_crews import problems_of

CREW = """
a = Agent(role="A", goal="G", backstory="B")
t = Task(description="D", expected_output="E", agent=a)
crew = Crew(agents=[a], tasks=[t])
"""
DOUBLE = "".join(f"x{n} = x{n - 1} + x{n - 1}\n" for n in range(1, 4000))
TREE = "".join(f"def f{n}():\n    return [f{n - 1}(), f{n - 1}()]\n" for n in range(1, 60))
HOSTILE = {
    "calls": "f(a,b)\n" * 14_000,
    "too many calls": "f(a,b)\n" * 28_000,
    "too many characters": "#" * 200_001,
    "sums": "1+" * 40_000 + "1",
    "parentheses": "(" * 199 + ")" * 199,
    "open brackets": "[" * 10_000,
    "signs": "-" * 90_000 + "1",
    "attributes": "a" + ".a" * 40_000,
    "subscripts": "a" + "[a]" * 25_000,
    "comparisons": "a<" * 40_000 + "a",
    "indents": "".join("if a:\n" + " " * (at + 1) for at in range(99)) + "a",
    "digits": "x = " + "9" * 5000,
    "texts that double": 'x0 = "x" * 1\nx0 = "xxxxxxxxxx"\n' + DOUBLE,
    "lists that double": "x0 = [1, 2]\n" + DOUBLE,
    "functions that double": "def f0():\n    return 1\n" + TREE + "f59()\n",
    "a function that calls itself": "def f():\n    return f() + f()\nf()\n",
    "f-strings": 'f"{a}"\n' * 10_000,
    "a class that is its own base": "class A(A):\n    pass\n" * 3000,
    "names": "\n".join(f"def f{n}(): pass" for n in range(9000)),
    "nested functions": "".join(" " * n + f"def f{n}():\n" for n in range(90))
    + " " * 90
    + "pass\n",
    "decorators": "@a\n" * 30_000 + "def f():\n    pass\n",
    "elif": "if a:\n    b\n" + "elif a:\n    b\n" * 12_000,
}


@pytest.mark.parametrize("title", HOSTILE)
def test_the_work_for_a_file_is_bounded(title):
    files = {"crew.py": HOSTILE[title] + "\n" + CREW}
    assert count_calls(lambda: problems_of("crewai", files)) < 1_000_000


MEMORY = """
import sys
from pathlib import Path
from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs.importers import import_files

def most():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))

text = sys.stdin.read()
Path("/proc/self/clear_refs").write_text("5")  # the most memory so far is what is used now
before = most()
try:
    import_files("crewai", {"crew.py": text})
except InvalidGraph:
    pass
print((most() - before) // 1024)
"""


@pytest.mark.parametrize("title", ["calls", "texts that double", "lists that double", "f-strings"])
def test_it_takes_less_than_a_hundred_megabytes(title):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY],
        input=HOSTILE[title] + "\n" + CREW,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert 0 < int(done.stdout) < 100


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def f(:", "invalid-python"),
        ("print 'Crew('", "invalid-python"),
        ("x = '\x00'", "invalid-python"),
        ("\ufffe", "invalid-python"),
        ("#" * 200_001, "too-long"),
        ("x()\n" * 40_000, "too-long"),
        ("-" * 90_000 + "1", "too-deep"),
    ],
)
def test_what_cannot_be_read(text, code):
    found = problems_of("crewai", {"crew.py": f"{text}\n{CREW}"})
    assert found == [("/files/crew.py", code)]


def test_files_count_together():
    files = {name: "#" * 150_000 + CREW for name in ("a.py", "b.py")}
    assert ("/files/b.py", "too-long") in problems_of("crewai", files)


def test_a_byte_order_mark_is_nothing():
    assert import_files("crewai", {"crew.py": "\ufeff" + CREW}).notes == ()


def test_nothing_is_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.py").write_text("ROLE = 'from the disk'")
    monkeypatch.setenv("ROLE", "from the environment")
    effects = """
import os
from other import ROLE
open("made", "w").write("x")
print("said")
os.system("touch made")
raise SystemExit
"""
    agent = 'a = Agent(role=os.environ.get("ROLE", "A"), goal=f"{ROLE}", backstory="B")'
    text = effects + CREW.replace('a = Agent(role="A", goal="G", backstory="B")', agent)
    found = import_files("crewai", {"crew.py": text})
    (node,) = [node for node in found.document["nodes"] if node["type"] == "agent"]
    assert (node["data"]["role"], node["data"]["goal"]) == ("A", "{ROLE}")
    assert [path.name for path in tmp_path.iterdir()] == ["other.py"]
    assert capsys.readouterr().out == ""
