"""Conan 2: `conan create cmake/packaging/conan` packages the tree that this file lies in. Doubles need SLEEF, which
`with_sleef=True` takes from the system."""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir

TREE = os.path.join("..", "..", "..")


class VlossConan(ConanFile):
    name = "vloss"
    description = "Loss kernels for the CPU with the same bits on every ISA"
    license = "MIT"
    topics = ("loss", "cross-entropy", "softmax", "simd")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {name: [True, False] for name in ("shared", "fPIC", "with_sleef", "with_openmp")}
    default_options = {"shared": False, "fPIC": True, "with_sleef": False, "with_openmp": False}
    implements = ["auto_shared_fpic"]
    languages = "C"

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, TREE, "CMakeLists.txt"))
        self.version = self.version or re.search(r"project\(vloss VERSION (\S+)", text)[1]

    def export_sources(self):
        tree = os.path.join(self.recipe_folder, TREE)
        for pattern in ("CMakeLists.txt", "LICENSE", "cmake/*", "dispatch/*", "include/*", "kernels/*", "tools/*"):
            copy(self, pattern, src=tree, dst=self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def validate(self):
        if str(self.settings.compiler) == "msvc":
            raise ConanInvalidConfiguration("vloss needs GCC or Clang")

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["VLOSS_BUILD_TESTS"] = False
        toolchain.cache_variables["VLOSS_F64"] = "ON" if self.options.with_sleef else "OFF"
        toolchain.cache_variables["VLOSS_OPENMP"] = "ON" if self.options.with_openmp else "OFF"
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        for folder in ("cmake", "pkgconfig"):  # Conan makes both itself
            rmdir(self, os.path.join(self.package_folder, "lib", folder))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "vloss")
        library = self.cpp_info.components["library"]
        library.set_property("cmake_target_name", "vloss::vloss")
        library.set_property("pkg_config_name", "vloss")
        library.libs = ["vloss"]
        if self.options.shared:
            library.defines = ["VLOSS_SHARED"]
        elif self.options.with_sleef:
            library.system_libs = ["sleef"]
        if self.settings.os in ("Linux", "FreeBSD"):
            library.system_libs.append("m")
        if self.options.with_openmp:
            openmp = self.cpp_info.components["openmp"]
            openmp.set_property("cmake_target_name", "vloss::openmp")
            openmp.set_property("pkg_config_name", "vloss-openmp")
            openmp.libs = ["vloss_openmp"]
            if not self.options.shared:
                openmp.system_libs = ["gomp" if str(self.settings.compiler) == "gcc" else "omp"]
