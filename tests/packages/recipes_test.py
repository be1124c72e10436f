"""recipes_test.py SOURCE CMAKE: the recipes for vcpkg and Conan, as far as they can be looked at without the two: both
are run against stand-ins that write down what is called, and have to name what there is in the tree, and its version,
as the packages for Python and Rust do."""

import json
import re
import subprocess
import sys
import tempfile
import types
from pathlib import Path

source, cmake = Path(sys.argv[1]), sys.argv[2]
recipes = source / "cmake/packaging"
version = re.search(r"project\(vloss VERSION (\S+)", (source / "CMakeLists.txt").read_text())[1]
build = "\n".join(path.read_text() for path in (source / "CMakeLists.txt", *(source / "cmake").glob("*.cmake")))
problems = []


def expect(condition, problem):
    if not condition:
        problems.append(problem)


def expect_option(name):
    expect(re.search(rf"\b(option|set)\({name}\b", build), f"CMake knows no {name}")


# ---- vcpkg: manifest, and portfile with functions that print their arguments -----------------------------------------
port = recipes / "vcpkg/vloss"
manifest = json.loads((port / "vcpkg.json").read_text())
known = {"name", "version-semver", "description", "license", "supports", "dependencies", "features"}
expect(set(manifest) <= known and manifest["name"] == "vloss", f"vcpkg.json has the keys {sorted(manifest)}")
for package in ("python/pyproject.toml", "rust/Cargo.toml"):
    of = re.search(r'^version = "(.*)"$', (source / "bindings" / package).read_text(), re.M)[1]
    expect(of == version, f"bindings/{package} is of {of}, not {version}")
expect(manifest["version-semver"] == version, f"vcpkg.json is of {manifest['version-semver']}, not {version}")
for name, feature in manifest["features"].items():
    expect(set(feature) <= {"description", "supports", "dependencies"}, f"{name}: {sorted(feature)}")
called = set(re.findall(r"^\s*(vcpkg_\w+)\(", (port / "portfile.cmake").read_text(), re.M))
with tempfile.TemporaryDirectory() as folder:
    script = Path(folder) / "run.cmake"
    functions = "".join(f'function({name})\n  message("{name} ${{ARGN}}")\nendfunction()\n' for name in sorted(called))
    script.write_text(
        f'{functions}set(PORT vloss)\nset(CURRENT_PACKAGES_DIR "{folder}/packages")\n'
        f'include("{port}/portfile.cmake")\nmessage("source ${{SOURCE_PATH}}")\n'
    )
    run = subprocess.run([cmake, "-P", str(script)], capture_output=True, text=True)
    expect(run.returncode == 0, f"portfile.cmake: {run.stderr}")
    expect(f"source {source}\n" in run.stderr, f"portfile.cmake: another tree: {run.stderr}")
    expect((Path(folder) / "packages/share/vloss/usage").is_file(), "portfile.cmake installs no usage")
    told = re.search(r"vcpkg_check_features .*FEATURES;(.*)", run.stderr)[1].split(";")
    expect(set(told[::2]) == set(manifest["features"]), f"features: {told[::2]}")
    for option in (*told[1::2], *re.findall(r"-D(\w+)=", run.stderr)):
        expect_option(option)


# ---- Conan: the classes that the recipe uses -------------------------------------------------------------------------
class Anything:
    """Has every attribute, and writes down what is set of cache_variables, copied and said of components."""

    def __init__(self, *_):
        self.cache_variables, self.properties = {}, {}

    def set_property(self, name, value):
        self.properties[name] = value

    def __getattr__(self, name):
        return lambda *arguments, **options: made.append((name, arguments, options))


class Components(dict):
    def __missing__(self, name):
        self[name] = Anything()
        self[name].system_libs = []
        return self[name]


made = []
toolchains = []


def toolchain(recipe):
    toolchains.append(Anything())
    return toolchains[-1]


def module(name, **names):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(names)


def copy(recipe, pattern, src, dst):
    expect(list(Path(src).glob(pattern)), f"Conan: nothing is {pattern} in {src}")


module("conan", ConanFile=object)
module("conan.errors", ConanInvalidConfiguration=ValueError)
module("conan.tools")
module("conan.tools.build", can_run=lambda recipe: False)
module("conan.tools.cmake", CMake=Anything, CMakeToolchain=toolchain, cmake_layout=lambda recipe: None)
module("conan.tools.files", copy=copy, load=lambda recipe, path: Path(path).read_text(),
       rmdir=lambda recipe, path: None)  # fmt: skip
recipe_globals = {}
exec((recipes / "conan/conanfile.py").read_text(), recipe_globals)
for shared in (False, True):
    recipe = recipe_globals["VlossConan"]()
    recipe.recipe_folder, recipe.export_sources_folder = str(recipes / "conan"), "exported"
    recipe.source_folder, recipe.package_folder, recipe.version = str(source), "package", None
    recipe.options = types.SimpleNamespace(shared=shared, fPIC=True, with_sleef=True, with_openmp=True)
    recipe.settings = types.SimpleNamespace(os="Linux", compiler="gcc")
    recipe.cpp_info = Anything()
    recipe.cpp_info.components = Components()
    for step in ("set_version", "export_sources", "layout", "validate", "generate", "build", "package", "package_info"):
        getattr(recipe, step)()
    expect(recipe.version == version, f"Conan: version {recipe.version}")
    for option in toolchains[-1].cache_variables:
        expect_option(option)
    targets = {part.properties["cmake_target_name"] for part in recipe.cpp_info.components.values()}
    expect(targets == {"vloss::vloss", "vloss::openmp"}, f"Conan: targets {targets}")
exec((recipes / "conan/test_package/conanfile.py").read_text(), {})
program = re.search(r"add_executable\(program (\S+)\)", (recipes / "conan/test_package/CMakeLists.txt").read_text())[1]
expect((recipes / "conan/test_package" / program).is_file(), f"Conan's test has no {program}")

print("\n".join(problems) or "ok: the recipes for vcpkg and Conan name what there is")
sys.exit(1 if problems else 0)
