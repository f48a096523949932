"""Crews in Python, as far as their code depends on nothing."""

from __future__ import annotations

import textwrap

import pytest

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs import parse
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Names
from flask_crewexec.graphs.importers import Options
from support.graphs.foreign_crews import problems_of

NAMES = Names(known_tools={"search", "file_read_tool", "file_write_tool"})
AGENTS = "ann: {role: Ann, goal: Help, backstory: Old}\n"
TASKS = "do: {description: Do it, expected_output: A text}\n"


def crew_py(*bodies):
    """Return a class with the agent ``ann``, and with *bodies*."""
    ann = """
    @agent
    def ann(self):
        return Agent(role="Ann", goal="Help", backstory="Old")
    """
    crew = """
    @crew
    def crew(self):
        return Crew(agents=self.agents, tasks=self.tasks)
    """
    parts = (textwrap.indent(textwrap.dedent(part), "    ") for part in (ann, *bodies, crew))
    return "\n@CrewBase\nclass Desk:\n" + "".join(parts)


def task(arguments="agent=self.ann()"):
    return f"""
    @task
    def do(self):
        return Task(description="Do it", expected_output="A text", {arguments})
    """


def plain(*, agent="", task="", before="", crew=""):
    return f"""
{textwrap.dedent(before)}
ann = Agent(role="Ann", goal="Help", backstory="Old", {agent})
do = Task(description="Do it", expected_output="A text", agent=ann, {task})
crew = Crew(agents=[ann], tasks=[do], {crew})
"""


def read(text, files=None, names=NAMES, **options):
    return import_files("crewai", {"crew.py": text, **(files or {})}, Options(**options), names)


def notes(found):
    return [(note.pointer, note.code, note.severity) for note in found.notes]


class TestNames:
    def test_in_yaml_are_those_of_methods(self):
        agents = AGENTS.replace("ann:", "first:")
        tasks = TASKS.replace("A text}", "A text, agent: ann}")
        body = """
        @agent
        def ann(self):
            return Agent(config=self.agents_config["first"], goal="Rest", backstory=None)

        @task
        def do(self):
            return Task(config=self.tasks_config["do"])
        """
        text = crew_py(body)
        found = read(text, {"config/agents.yaml": agents, "config/tasks.yaml": tasks})
        (agent,) = parse(found.document).agents
        assert (agent.role, agent.goal, agent.backstory) == ("Ann", "Rest", "Old")

    def test_that_are_not_in_yaml(self):
        text = crew_py(task()).replace('role="Ann"', 'config=self.agents_config.get("anne")')
        with pytest.raises(InvalidGraph) as caught:
            read(text, {"agents.yaml": AGENTS})
        (problem,) = caught.value.problems
        assert problem.pointer == "/files/crew.py/Desk/ann/config"
        assert problem.hint == 'Did you mean "ann"? Its keys are "ann".'

    def test_of_files_are_those_of_the_class(self):
        text = crew_py(task("agent=self.ann()")).replace(
            'role="Ann", goal="Help", backstory="Old"', 'config=self.agents_config["ann"]'
        )
        text = text.replace("class Desk:", 'class Desk:\n    agents_config = "yaml/people.yml"')
        found = read(text, {"yaml/people.yml": AGENTS, "agents.yaml": "x: {}"})
        assert parse(found.document).agents[0].role == "Ann"

    def test_of_crews_choose_one(self):
        text = plain() + plain().replace("crew =", "other =").replace("Ann", "Bob")
        assert parse(read(text, crew="other").document).agents[0].role == "Bob"
        assert problems_of("crewai", {"crew.py": text}) == [("/files", "several-crews")]
        assert problems_of("crewai", {"crew.py": text}, crew="x") == [("/crew", "unknown-crew")]

    def test_of_the_graph(self):
        assert read(plain()).document["name"] == "crew"
        assert read(plain(), name="Mine").document["name"] == "Mine"
        assert read(plain(crew='name="Said"'), name="Mine").document["name"] == "Said"

    def test_of_tasks_choose_some(self):
        more = 'late = Task(description="Late", expected_output="A text", agent=ann)\n'
        text = plain(before="").replace("crew =", more + "crew =").replace("[do]", "[do, late]")
        assert [task.name for task in parse(read(text, tasks=("late",)).document).tasks] == ["late"]

    def test_of_yaml_may_be_unpacked(self):
        body = """
        @agent
        def bob(self):
            return Agent(**self.agents_config["ann"], max_iter=3)
        """
        text = crew_py(body, task("agent=self.bob()"))
        (agent,) = parse(read(text, {"agents.yaml": AGENTS.replace("Ann", "Bob")}).document).agents
        assert (agent.role, agent.max_iter) == ("Bob", 3)


class TestScripts:
    def test_create_crews_too(self):
        text = 'if __name__ == "__main__":\n' + textwrap.indent(plain(), "    ")
        assert read(text).document["name"] == "crew"

    def test_do_not_count_where_a_function_creates_the_crew(self):
        text = "def build(topic):\n" + textwrap.indent(plain(), "    ") + "    return crew\n"
        text = text.replace('"Do it"', 'f"Do {topic}"')
        found = read(text + 'if __name__ == "__main__":\n    build(input()).kickoff()\n')
        assert parse(found.document).inputs == ("topic",)


class TestOrder:
    def test_is_that_of_the_methods(self):
        bodies = [task().replace("def do", f"def {name}") for name in ("second", "first")]
        names = [task.name for task in parse(read(crew_py(*bodies)).document).tasks]
        assert names == ["second", "first"]

    def test_is_that_of_the_crew(self):
        bodies = [task().replace("def do", f"def {name}") for name in ("second", "first")]
        text = crew_py(*bodies).replace("tasks=self.tasks", "tasks=[self.first(), self.second()]")
        assert [each.name for each in parse(read(text).document).tasks] == ["first", "second"]

    def test_of_agents_starts_with_those_of_the_tasks(self):
        body = """
        @agent
        def bob(self):
            return Agent(role="Bob", goal="Help", backstory="Old", allow_delegation=True)
        """
        found = read(crew_py(body, task("agent=self.bob()")))
        assert [agent.role for agent in parse(found.document).agents] == ["Bob", "Ann"]


class TestWhatOnlyRunningTells:
    @pytest.mark.parametrize(
        ("value", "line"),
        [("int(N)", 3), ("[x for x in y]", 3), ("a if b else c", 3), ("N * 2", 3)],
    )
    def test_is_noted_with_its_line(self, value, line):
        found = read(plain(agent=f"max_iter={value}"))
        assert notes(found) == [("/crew/ann/max_iter", "computed", "changed")]
        assert f"Line {line}:" in found.notes[0].detail

    @pytest.mark.parametrize("value", ["N", "os.environ['N']", "settings.N"])
    def test_is_no_flag_and_no_number(self, value):
        found = read(plain(agent=f"max_iter={value}"))
        assert notes(found) == [("/crew/ann/max_iter", "computed", "changed")]

    @pytest.mark.parametrize("arguments", ["human_input=ASK", "human_input=ask()"])
    def test_leaves_a_gate_open(self, arguments):
        (note,) = read(plain(task=arguments)).notes
        assert note.severity == "unguarded"

    def test_is_what_a_condition_assigns(self):
        before = "goal = 'a'\nif x:\n    goal = 'b'\n"
        text = plain(before=before).replace('goal="Help"', "goal=goal")
        assert problems_of("crewai", {"crew.py": text}) == [
            ("/files/crew.py/crew/ann/goal", "missing-field")
        ]

    def test_is_what_a_loop_appends(self):
        text = plain().replace("tasks=[do]", "tasks=tasks")
        text = "tasks = []\nfor at in range(3):\n    tasks.append(Task())\n" + text
        with pytest.raises(InvalidGraph) as caught:
            read(text)
        assert [note.code for note in caught.value.notes] == ["computed"]

    def test_is_not_what_is_appended_at_once(self):
        text = plain().replace("crew =", "tasks = []\ntasks.append(do)\ncrew =")
        found = read(text.replace("tasks=[do]", "tasks=tasks"))
        assert [task.name for task in parse(found.document).tasks] == ["do"]

    def test_is_a_base_that_was_not_sent(self):
        text = crew_py(task()).replace("class Desk:", "class Desk(Shared):")
        assert notes(read("from shared import Shared\n" + text))[-1][1:] == (
            "base-class",
            "changed",
        )


class TestTexts:
    @pytest.mark.parametrize(
        ("written", "text"),
        [
            ('"a" "b"', "ab"),
            ('"a" + "b"', "ab"),
            ("f'{TONE} {topic}'", "kind {topic}"),
            ("f'{{topic}} {self.when}'", "{topic} {when}"),
            ("dedent('''\n    a\n      b\n''')", "\na\n  b\n"),
            ("TEXTS['a']", "mapped"),
            ("' a '.strip()", "a"),
            ("os.getenv('X', 'd')", "d"),
            ("os.environ.get('X') or 'd'", None),
            ("f'{topic:>5}'", None),
            ("f'{ask()}'", None),
        ],
    )
    def test_of_agents(self, written, text):
        before = "TONE = 'kind'\nTEXTS = {'a': 'mapped'}\n"
        code = plain(before=before).replace('goal="Help"', f"goal={written}")
        if text is None:
            assert problems_of("crewai", {"crew.py": code})[0][1] == "missing-field"
        else:
            assert parse(read(code).document).agents[0].goal == text

    def test_a_role_is_one_line(self):
        code = plain().replace('role="Ann"', 'role="""Ann\n"""')
        assert parse(read(code).document).agents[0].role == "Ann"


class TestTools:
    FILES = "a = FileReadTool(file_path='a.md')\nb = FileReadTool(file_path='b.md')\n"

    def test_that_narrow_leave_the_crew_unguarded(self):
        found = read(plain(agent="tools=[FileReadTool(file_path='a.md')]"))
        assert notes(found) == [("/crew/ann/tools/0", "tool-unrestricted", "unguarded")]
        assert "a.md" not in str(found)

    @pytest.mark.parametrize(
        "argument", ["directory=D", "website_url=''.join(x)", "allowed_x=[1]", "x='https://a.b/c'"]
    )
    def test_that_narrow_by_other_names(self, argument):
        found = read(plain(agent=f"tools=[FileReadTool({argument})]"))
        assert [note.severity for note in found.notes] == ["unguarded"]

    @pytest.mark.parametrize("argument", ["n_results=3", "api_key='sk-1'", "result_as_answer=True"])
    def test_that_lose_other_arguments(self, argument):
        found = read(plain(agent=f"tools=[FileReadTool({argument})]"))
        assert notes(found) == [("/crew/ann/tools/0", "tool-arguments", "changed")]
        assert "sk-1" not in str(found)

    def test_of_one_class_are_not_merged_silently(self):
        text = plain(before="a = Search(x=1)\nb = Search(x=2)\n", agent="tools=[a, b]")
        assert [note.code for note in read(text).notes] == [
            *("tool-arguments", "tool-arguments", "tools-merged")
        ]

    @pytest.mark.parametrize("name", ["b", 'FileReadTool(file_path="b.md")'])
    def test_are_mapped_by_variable_or_call(self, name):
        names = Names(known_tools=NAMES.known_tools, tools={name: "search"})
        found = read(plain(before=self.FILES, agent="tools=[b]"), names=names)
        assert parse(found.document).agents[0].tools == ("search",)
        assert found.notes == ()

    def test_in_modules_that_were_sent_have_their_own_name(self):
        module = "class Mine(BaseTool):\n    name: str = 'Search'\n"
        text = plain(before="from .tools.mine import Mine", agent="tools=(Mine(),)")
        found = read(text, {"tools/mine.py": "from crewai.tools import BaseTool\n" + module})
        assert parse(found.document).agents[0].tools == ("search",)

    def test_in_modules_that_were_not_sent_have_that_of_their_class(self):
        text = plain(before="from tools.mine import SearchTool", agent="tools=[SearchTool]")
        assert parse(read(text).document).agents[0].tools == ("search",)


class TestHooks:
    def test_of_tools_are_gates(self):
        hook = """
        @before_tool_call
        def stop(self, context):
            return False
        """
        assert notes(read(crew_py(hook, task()))) == [("/Desk/stop", "code-reference", "unguarded")]


def test_classic_yaml_may_come_with_its_code():
    files = {"agents.yaml": AGENTS, "tasks.yaml": TASKS, "crew.py": crew_py(task())}
    assert import_files("crewai-yaml", files, names=NAMES).document["name"] == "Desk"


def test_code_without_a_crew_is_not_read():
    files = {"agents.yaml": AGENTS, "tasks.yaml": TASKS[:-2] + ", agent: ann}", "x.py": "def f(:"}
    assert import_files("crewai", files, names=NAMES).notes == ()
