"""A trial imports its own commit, also if the environment was told to import the person's checkout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autogit.errors import ConfigError

if TYPE_CHECKING:
    from conftest import Bench

FINDER = """
import sys
from importlib.machinery import PathFinder
from importlib.util import spec_from_file_location
MAPPING: dict[str, str] = {mapping!r}
class _Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in MAPPING:
            return spec_from_file_location(name, MAPPING[name] + "/__init__.py")
def install():
    sys.meta_path.append(_Finder)
"""


def write(folder: Path, text: str) -> None:
    (folder / "src" / "mypkg").mkdir(parents=True)
    (folder / "src" / "mypkg" / "__init__.py").write_text(f"WHOSE = {text!r}\n")


@pytest.fixture
def repository(bench: Bench, tmp_path: Path) -> Path:
    """The person's checkout with an environment in it; the trial's own code in the bench's."""
    repository = tmp_path / "per [son] ü"
    write(repository, "the person's")
    write(bench.checkout, "the trial's")
    packages = repository / ".venv" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    (repository / ".venv" / "bin").mkdir()
    (repository / ".venv" / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    (repository / ".venv" / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    return repository


def run(bench: Any, repository: Path, options: str = "", **job: object) -> str:
    (bench.checkout / "show.py").write_text("import mypkg\nprint(mypkg.WHOSE)\n")
    python = repository / ".venv" / "bin" / "python"
    done = bench.run("prints_nothing", command=f"'{python}'{options} show.py", repository=repository, **job)
    return str(done.log).strip()


@pytest.mark.parametrize("how", ["pth", "finder", "egg-link"])
def test_an_editable_install_is_taken_from_the_checkout(bench: Bench, repository: Path, how: str) -> None:
    packages = next(repository.glob(".venv/lib/*/site-packages"))
    if how == "finder":
        mapping = {"mypkg": str(repository / "src" / "mypkg")}
        (packages / "__editable___mypkg_0_finder.py").write_text(FINDER.format(mapping=mapping))
        (packages / "__editable__.mypkg-0.pth").write_text(
            "import __editable___mypkg_0_finder; __editable___mypkg_0_finder.install()\n"
        )
    else:
        (packages / f"mypkg.{how}").write_text(f"{repository / 'src'}\n")
    assert run(bench, repository) == "the trial's"


def test_a_passed_python_path_leads_to_the_checkout(
    bench: Bench, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(repository / "src"))
    bench.sandbox["pass_env"] = ("PYTHONPATH",)
    assert run(bench, repository) == "the trial's"


def test_what_cannot_be_led_to_the_checkout_is_refused(bench: Bench, repository: Path) -> None:
    packages = next(repository.glob(".venv/lib/*/site-packages"))
    (packages / "mypkg.pth").write_text(f"{repository / 'src'}\n")
    with pytest.raises(ConfigError, match="installed as editable"):
        run(bench, repository, options=" -I")
    for command in (f"python '{repository}/train.py'", f"PYTHONPATH='{repository}/src' python train.py"):
        with pytest.raises(ConfigError, match="relative to the repository"):
            bench.run("prints_nothing", command=command, repository=repository)
