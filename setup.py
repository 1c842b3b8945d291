"""Puts hectiqlab.pth beside the package in an installation; all else about it is in setup.cfg."""

import os
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py


class WithHook(build_py):
    def run(self):
        super().run()
        if not getattr(self, "editable_mode", False):
            shutil.copy("hectiqlab.pth", os.path.join(self.build_lib, "hectiqlab.pth"))


setup(cmdclass={"build_py": WithHook})
