"""python -m narrowd.onnx: the same as narrow-onnx."""

import sys

from .command import main

sys.exit(main())
