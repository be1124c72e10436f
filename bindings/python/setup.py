"""Builds vloss._core by CMake, with the library inside. The environment can say

VLOSS_SOURCE     where vloss is, if not two folders up
VLOSS_INSTALLED  1: link with the vloss that is installed instead (CMAKE_PREFIX_PATH says where), static
CMAKE_ARGS       more arguments for CMake
"""
import os
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent


class CMakeBuild(build_ext):
    def build_extension(self, ext):
        target = Path(self.get_ext_fullpath(ext.name)).resolve().parent
        build = Path(self.build_temp).resolve()
        build.mkdir(parents=True, exist_ok=True)
        source = Path(os.environ.get("VLOSS_SOURCE", HERE.parent.parent)).resolve()
        if not (source / "include" / "vloss").is_dir() and "VLOSS_INSTALLED" not in os.environ:
            sys.exit(f"{source} has not the sources of vloss: VLOSS_SOURCE says where they are")
        arguments = [f"-DVLOSS_SOURCE={source}", f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={target}",
                     f"-DPython3_EXECUTABLE={sys.executable}",
                     f"-DVLOSS_INSTALLED={os.environ.get('VLOSS_INSTALLED', 'OFF')}",
                     *shlex.split(os.environ.get("CMAKE_ARGS", ""))]  # fmt: skip
        jobs = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
        subprocess.run(["cmake", "-S", str(HERE), "-B", str(build), *arguments], check=True)
        subprocess.run(["cmake", "--build", str(build), "--target", "_core", "--parallel", jobs], check=True)


setup(ext_modules=[Extension("vloss._core", sources=[])], cmdclass={"build_ext": CMakeBuild})
