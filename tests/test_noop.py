"""What it costs to find out that nothing is to be done: under 1 s of CPU for a day, under 3 s for fifty."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coursebuild.digests import SETTLED_NS
from tests.tiny_course import OPTIONS, build, make, run_python

pytestmark = pytest.mark.slow
FLAGS = [word for name, value in OPTIONS.items() for word in (f"--{name}", value)]
MULTIPLY = """
import json, sys, pathlib
from tests.fifty import multiply
multiply(pathlib.Path(sys.argv[1]), 50, json.loads(sys.argv[2]))
"""
LOOK = """
import sys
from coursebuild import cli
try:
    cli.main()
except SystemExit:
    pass
heavy = {"yaml", "jinja2", "numpy", "typst", "av", "pptx", "manim", "distributed", "asyncio", "multiprocessing"}
print(sorted(heavy & set(sys.modules)))
"""
METER = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, done.stdout[-300:] + done.stderr, used.ru_utime + used.ru_stime]))
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    root = make(tmp_path_factory.mktemp("noop"))
    build(root)
    time.sleep(SETTLED_NS / 1e9)
    return root


def cpu_seconds(root: Path, *arguments: str) -> float:
    """User and system seconds of a build that has nothing to do; the least of three, for the machine may be busy."""
    program = [sys.executable, str(root / "build.py"), *arguments, *FLAGS, "--root", str(root)]
    command = [sys.executable, "-c", METER, *program]
    found = []
    for _ in range(3):
        told = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "CI": "true"})
        status, text, seconds = json.loads(told.stdout)
        assert status == 0 and "all up to date" in text, text
        found.append(seconds)
    return min(found)


def test_nothing_to_do_for_one_day(course):
    assert cpu_seconds(course, "1") < 1.0


def test_nothing_is_imported_that_a_look_does_not_need(course):
    told = run_python(course, "-c", LOOK, "1", *FLAGS, "--root", str(course))
    assert "all up to date" in told and told.splitlines()[-1] == "[]"


def test_nothing_to_do_for_fifty_days(course):
    run_python(course, "-c", MULTIPLY, str(course), json.dumps(OPTIONS))
    time.sleep(SETTLED_NS / 1e9)
    assert cpu_seconds(course, "all") < 3.0
