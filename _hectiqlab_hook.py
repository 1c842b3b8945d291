"""The import hook of the stand-ins: `import wandb` gives pyhectiqlab's stand-in, or the real one with a mirror.

It is installed at the start of Python where HECTIQLAB_INSTEAD_OF or HECTIQLAB_BESIDE is set: by hectiqlab.pth of an
installation, or by the sitecustomize that `hectiqlab run` puts on PYTHONPATH. Until a tracker is imported it loads
nothing of pyhectiqlab. It is a module of its own, of the standard library alone, as it runs in every Python below.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys

TYPE_CHECKING = False  # that of typing takes a millisecond to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.machinery import ModuleSpec
    from typing import Any

STANDINS = "pyhectiqlab.standins"
# Tracker → the modules that it is imported by → the stand-in's module.
MODULES = {
    "wandb": {"wandb": "wandb"},
    "tensorboard": {
        "torch.utils.tensorboard": "tensorboard",
        "tensorboardX": "tensorboard",
        "tensorboard": "tensorboard",
    },
    "mlflow": {"mlflow": "mlflow"},
    "trackio": {"trackio": "trackio"},
    "neptune": {"neptune": "neptune"},
    "neptune_scale": {"neptune_scale": "neptune_scale"},
    "swanlab": {"swanlab": "swanlab"},
    "transformers": {"transformers.integrations.integration_utils": "frameworks.transformers"},
    "accelerate": {"accelerate.tracking": "frameworks.accelerate"},
}
ONLY_BESIDE = ("transformers", "accelerate")  # frameworks that get one more place to report to
# Distribution → the version that the stand-in behaves as. Frameworks ask for it before they import.
VERSIONS = {
    "wandb": {"wandb": "0.31.0"},
    "tensorboard": {"tensorboard": "2.20.0", "tensorboardX": "2.6.5"},
    "mlflow": {"mlflow": "3.17.2"},
    "trackio": {"trackio": "0.30.0"},
    "neptune": {"neptune": "1.14.0"},
    "neptune_scale": {"neptune-scale": "0.30.0"},
    "swanlab": {"swanlab": "0.7.0"},
}
ONLY_IF_MISSING = ("tensorboard",)  # the package itself also reads event files, which the stand-in does not


def install() -> None:
    """Install the hook as the environment says. Never raises; safe twice."""
    try:
        instead_of, beside = (_named(name) for name in ("HECTIQLAB_INSTEAD_OF", "HECTIQLAB_BESIDE"))
        if (instead_of or beside) and not any(isinstance(finder, Finder) for finder in sys.meta_path):
            if importlib.util.find_spec("pyhectiqlab") is None:
                _say(f"pyhectiqlab is not installed for {sys.executable}: its imports stay as they are.")
                return
            sys.meta_path.insert(0, Finder(instead_of, beside))
    except Exception as e:
        _say(f"the stand-ins are not installed: {type(e).__name__}: {e}")


def _named(variable: str) -> list[str]:
    """Return the known trackers that a variable names; say which are unknown."""
    names = [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]
    known = [name for name in MODULES if variable == "HECTIQLAB_BESIDE" or name not in ONLY_BESIDE]
    unknown = [name for name in names if name not in known]
    if unknown:
        _say("{}: there is no stand-in for {}.".format(variable, ", ".join(unknown)))
    return [name for name in names if name in known]


def _say(text: str) -> None:
    try:
        sys.stderr.write(f"hectiqlab: {text}\n")
    except Exception:
        pass


class Finder:
    """Finds the stand-ins instead of the trackers, and mirrors for trackers that go on working."""

    def __init__(self, instead_of: Iterable[str], beside: Iterable[str]) -> None:
        self.instead_of, self.beside = list(instead_of), list(beside)
        self._looking = False

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if self._looking:
            return None
        for tracker in self.instead_of:
            for module, standin in MODULES[tracker].items():
                if fullname == module or fullname.startswith(module + "."):
                    return self._standin(fullname, module, standin)
        for tracker in self.beside:
            if fullname in MODULES[tracker]:
                return self._mirrored(fullname, MODULES[tracker][fullname])
        return None

    def _standin(self, fullname: str, module: str, standin: str) -> ModuleSpec | None:
        if module in ONLY_IF_MISSING and self._real(module) is not None:
            return None
        target = f"{STANDINS}.{standin}{fullname[len(module) :]}"
        if fullname != module:
            try:
                if importlib.util.find_spec(target) is None:
                    return None
            except ImportError:
                return None
        alias: Any = Alias(target)
        return importlib.machinery.ModuleSpec(fullname, alias, origin=target, is_package=True)

    def _real(self, fullname: str) -> ModuleSpec | None:
        """Return the spec that all other finders give."""
        self._looking = True
        try:
            return importlib.util.find_spec(fullname)
        except (ImportError, ValueError):
            return None
        finally:
            self._looking = False

    def _mirrored(self, fullname: str, standin: str) -> ModuleSpec | None:
        spec = self._real(fullname)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            mirror: Any = Mirror(spec.loader, standin)
            spec.loader = mirror
        return spec

    def find_distributions(self, context: Any = None) -> Iterator[Any]:
        """Yield the metadata of stand-ins, for importlib.metadata."""
        from importlib.metadata import Distribution

        class Standin(Distribution):
            def __init__(self, name: str, version: str, modules: list[str]) -> None:
                lines = ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Summary: a stand-in", "")
                self._texts = {
                    "METADATA": "\n".join(lines),
                    "top_level.txt": "\n".join(modules),
                }

            def read_text(self, filename: str) -> str | None:
                return self._texts.get(filename)

            def locate_file(self, path: Any) -> Any:
                return os.path.join(os.path.dirname(os.path.abspath(__file__)), str(path))

        asked = getattr(context, "name", None)
        for tracker in self.instead_of:
            for name, version in VERSIONS[tracker].items():
                is_asked = asked is None or _normal(asked) == _normal(name)
                if is_asked and (name not in ONLY_IF_MISSING or self._real(name) is None):
                    yield Standin(name, version, [m for m in MODULES[tracker] if "." not in m])


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


class Alias:
    """Loads a stand-in's module under the tracker's name: the same module object, imported once."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> Any:
        module = importlib.import_module(self._target)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: Any) -> None:
        module.__spec__ = self._spec  # the import system has put that of the tracker's name in its place


class Mirror:
    """Loads the real module, then lets the stand-in mirror its calls. What is not said here, the real loader does."""

    def __init__(self, loader: Any, standin: str) -> None:
        self._loader, self._standin = loader, standin

    def create_module(self, spec: ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self._loader.exec_module(module)
        module.__loader__ = module.__spec__.loader = self._loader
        try:
            importlib.import_module(f"{STANDINS}.{self._standin}.beside").attach(module)
        except Exception as e:
            _say(f"{module.__name__} is not mirrored: {type(e).__name__}: {e}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
