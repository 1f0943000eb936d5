"""Help, version and completion come at once: nothing that takes long to import is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from directloss import __version__
from directloss.cli import _bare

# Found, but not to be imported: `sys.modules[name] = None` would say that it is not installed.
WITHOUT = """
import runpy, sys
from importlib.machinery import ModuleSpec
for name in {missing}:
    sys.modules[name] = None
class Heavy:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name in {heavy} else None
    def create_module(self, spec):
        raise ImportError(f"{{spec.name}} takes long to import")
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Heavy())
sys.argv = ["directloss", *{arguments}]
runpy.run_module("directloss", run_name="__main__", alter_sys=False)
"""

HEAVY = (
    *("torch", "numpy", "numba", "scipy", "sklearn", "pandas", "pyarrow", "pydantic", "optuna"),
    *("accelerate", "plotly", "matplotlib", "jinja2", "tensorboard", "torchvision", "PIL"),
)

# typer reads the options of a command through pydantic.
OURS = tuple(name for name in HEAVY if name != "pydantic")

COMMANDS = (
    ("compare",),
    ("train",),
    ("evaluate",),
    ("predict",),
    ("export",),
    ("experiment",),
    ("experiment", "action"),
    ("experiment", "detection"),
    ("experiment", "synthetic"),
    ("experiment", "linear"),
)


def directloss(
    *arguments: str,
    missing: tuple[str, ...] = (),
    heavy: tuple[str, ...] = (),
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """`python -m directloss` in a process in which some modules cannot be imported."""
    code = WITHOUT.format(missing=missing, heavy=heavy, arguments=arguments)
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | environment,
    )


@pytest.fixture
def typer() -> None:
    pytest.importorskip("typer", reason="the commands need directloss[train]")


def test_a_heavy_import_would_be_noticed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['torch'] = None; import directloss.losses"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr


@pytest.mark.usefixtures("typer")
def test_the_version() -> None:
    done = directloss("--version", heavy=HEAVY)
    assert (done.returncode, done.stdout) == (0, f"directloss {__version__}\n"), done.stderr


@pytest.mark.usefixtures("typer")
def test_the_help_names_every_command() -> None:
    done = directloss("--help", heavy=HEAVY)
    assert done.returncode == 0, done.stderr
    for name in _bare.COMMANDS:
        assert f" {name} " in done.stdout


@pytest.mark.usefixtures("typer")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_a_command(command: tuple[str, ...]) -> None:
    done = directloss(*command, "--help", heavy=OURS)
    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout
    assert " ".join(command) in done.stdout


@pytest.mark.usefixtures("typer")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("directloss co", {"compare"}),
        ("directloss experiment ", {"action", "detection", "synthetic", "linear"}),
        ("directloss predict --d", {"--data"}),
    ],
)
def test_a_shell_completes(words: str, wanted: set[str]) -> None:
    place = str(len(words.split(" ")) - 1)
    done = directloss(
        heavy=OURS, _DIRECTLOSS_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=place
    )
    assert set(done.stdout.split()) == wanted, done.stderr


def test_the_script_is_installed() -> None:
    script = Path(sys.executable).with_name("directloss")
    if not script.exists():
        pytest.skip("directloss is on the path of modules, but not installed")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"directloss {__version__}\n"


def test_without_typer_the_version_is_printed() -> None:
    done = directloss("--version", missing=("typer", *HEAVY))
    assert (done.returncode, done.stdout) == (0, f"directloss {__version__}\n"), done.stderr


@pytest.mark.parametrize("arguments", [(), ("--help",), ("train", "--help")], ids=str)
def test_without_typer_help_says_what_to_install(arguments: tuple[str, ...]) -> None:
    done = directloss(*arguments, missing=("typer", *HEAVY))
    assert (done.returncode, done.stdout) == (0, _bare.HELP), done.stderr
    assert "pip install 'directloss[train]'" in done.stdout


@pytest.mark.parametrize(
    ("argument", "user"), [("train", "the command train"), ("--trian", "the command line")]
)
def test_without_typer_a_command_says_what_to_install(argument: str, user: str) -> None:
    done = directloss(argument, missing=("typer", *HEAVY))
    assert done.returncode == 2
    wanted = f"directloss: {user} needs typer: pip install 'directloss[train]'\n"
    assert done.stderr == wanted


@pytest.mark.usefixtures("typer")
@pytest.mark.parametrize("command", ["train", "compare"])
def test_a_command_names_the_package_that_is_missing(command: str) -> None:
    done = directloss(command, "--data", "digits", missing=("pandas",))
    assert done.returncode == 2
    wanted = "directloss: this command needs pandas: pip install 'directloss[train]'\n"
    assert done.stderr == wanted
