"""python -m narrowd: `demo`, or the daemon with the arguments that follow."""

import os
import sys

from .errors import NarrowdError
from .server import program


def main() -> int:
    """Also the command `narrowd` of an installed wheel."""
    return run("narrowd", ["demo"])


def narrow_onnx() -> int:
    """The command `narrow-onnx`, which needs packages."""
    try:
        from .onnx.command import main as onnx
    except ImportError as error:
        print(f"narrow-onnx: {error}", file=sys.stderr)
        return 1
    return onnx()


def narrow() -> int:
    """The command `narrow` of an installed wheel."""
    return run("narrow", [])


def run(name: str, demo: list[str]) -> int:
    try:
        if demo and sys.argv[1:] == demo:
            from .demo import demo as show

            show()
            return 0
        path = program(name)
        os.execv(path, [path, *sys.argv[1:]])
    except NarrowdError as error:
        print(f"{name}: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
