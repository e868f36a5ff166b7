"""Packs the shipped workspace into the wheel, for `autogit init --template gpt`; all else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithTemplates(build_py):
    """Takes the shipped workspace along as a template."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        templates = Path(self.build_lib) / "autogit" / "_templates"
        shutil.rmtree(templates, ignore_errors=True)
        ignored = shutil.ignore_patterns(".git", "__pycache__", "*.pyc", "out")
        shutil.copytree("workspace", templates / "gpt", ignore=ignored)
        shutil.copy(".autoresearch.toml", templates / "gpt.toml")


setup(cmdclass={"build_py": BuildWithTemplates})
