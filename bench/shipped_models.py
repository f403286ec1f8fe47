"""Real models in ONNX that ship inside packages of the index, with real inputs and a judge: what real_models.py tunes.

The direction network of PP-OCR (pictures of words), Magika (which kind a file is, from its bytes) and Basic Pitch (which notes sound).
"""

import importlib.util
import json
import pathlib
import random
import sys
import sysconfig
from dataclasses import dataclass

import directions
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
CALIBRATION = 16


@dataclass(frozen=True)
class Model:
    """`items` are (feed, label): the first are for calibration, half of the others are judged, and by the last nobody chooses."""

    name: str
    path: pathlib.Path
    items: list
    score: object  # of the outputs and a label, from 0 to 1

    @property
    def feeds(self):
        return [feed for feed, _ in self.items[:CALIBRATION]]

    @property
    def judged(self):
        return self.items[CALIBRATION::2]

    @property
    def fresh(self):
        return self.items[CALIBRATION + 1::2]

    def accuracy(self, session, items):
        return float(np.mean([self.score(session.run(None, feed), label) for feed, label in items]))


def package(name):
    return pathlib.Path(importlib.util.find_spec(name).submodule_search_locations[0])


def right(outputs, label):
    return float(outputs[0].argmax() == label)


def direction():
    images, labels = directions.pictures(7, CALIBRATION + 240)
    items = [({"x": image[None]}, label) for image, label in zip(images, labels, strict=True)]
    return Model("PP-OCR, direction", package("rapidocr_onnxruntime") / "models/ch_ppocr_mobile_v2.0_cls_infer.onnx", items, right)


KINDS = {".py": "python", ".c": "c", ".md": "markdown", ".json": "json", ".mjs": "javascript", ".pl": "perl", ".pm": "perl", ".so": "elf",
         ".png": "png", ".gz": "gzip", ".svg": "svg", ".html": "html", ".css": "css", ".pyc": "pythonbytecode"}


def features(text, config):
    """The first and the last bytes, without blanks at the ends, as Magika reads them."""
    size, padding = config["beg_size"], config["padding_token"]
    first, last = text[:config["block_size"]].lstrip()[:size], text[-config["block_size"]:].rstrip()[-size:]
    return [*first, *[padding] * (size - len(first)), *[padding] * (size - len(last)), *last]


def files():
    """Some of each kind, of this tree and of the machine."""
    places = (ROOT, pathlib.Path(sysconfig.get_path("stdlib")), pathlib.Path("/usr/share"), pathlib.Path("/usr/lib"))
    found = {kind: set() for kind in KINDS.values()}
    for place in places:
        for path in place.rglob("*"):
            kind = KINDS.get(path.suffix)
            if kind and len(found[kind]) < 200 and not path.is_symlink() and path.is_file() and path.stat().st_size > 500:
                found[kind].add(path)
    rng = random.Random(5)
    chosen = [(path, kind) for kind, paths in found.items() for path in rng.sample(sorted(paths), min(18, len(paths)))]
    rng.shuffle(chosen)
    return chosen


def magika():
    place = package("magika") / "models/standard_v3_3"
    config = json.loads((place / "config.min.json").read_text(encoding="utf-8"))
    kinds = config["target_labels_space"]
    items = [({"bytes": np.array([features(path.read_bytes(), config)], np.int32)}, kinds.index(kind)) for path, kind in files()]
    return Model("Magika", place / "model.onnx", items, right)


RATE, HOP, LENGTH, LOWEST, KEYS = 22050, 256, 43844, 21, 88


def chord(rng):
    """Two seconds of some struck strings, and which keys sound when."""
    time, sound, keys = np.arange(LENGTH) / RATE, np.zeros(LENGTH), np.zeros((172, KEYS), bool)
    for key in rng.choice(np.arange(24, 64), rng.integers(1, 5), replace=False):
        begin, length = rng.uniform(0, 1), rng.uniform(0.4, 1)
        alive = (time >= begin) & (time < begin + length)
        tone = sum(np.sin(2 * np.pi * 2 ** ((key + LOWEST - 69) / 12) * 440 * partial * time + rng.uniform(0, 6)) / partial ** 1.5 for partial in range(1, 8))
        sound += alive * tone * np.exp(-2 * np.maximum(time - begin, 0)) * rng.uniform(0.1, 0.3)
        keys[int(begin * RATE / HOP):int((begin + length) * RATE / HOP), key] = True
    return (sound + rng.normal(0, 0.003, LENGTH)).astype(np.float32)[None, :, None], keys


def agreement(outputs, keys):
    """F1 of the notes that sound in each frame."""
    heard = next(output for output in outputs if output.shape[-1] == KEYS)[0] > 0.3
    return 2 * (heard & keys).sum() / max(heard.sum() + keys.sum(), 1)


def basic_pitch():
    import onnxruntime

    path, rng = package("basic_pitch") / "saved_models/icassp_2022/nmp.onnx", np.random.default_rng(3)
    session = onnxruntime.InferenceSession(path)
    notes = [output.name for output in session.get_outputs()].index("StatefulPartitionedCall:1")
    items = [({session.get_inputs()[0].name: sound}, keys) for sound, keys in (chord(rng) for _ in range(CALIBRATION + 32))]
    return Model("Basic Pitch", path, items, lambda outputs, keys: agreement([outputs[notes]], keys))


ALL = {"direction": direction, "magika": magika, "basic_pitch": basic_pitch}

if __name__ == "__main__":
    import onnxruntime

    for make in [ALL[name] for name in sys.argv[1:] or ALL]:
        model = make()
        session = onnxruntime.InferenceSession(model.path)
        print(model.name, [(i.name, i.shape, i.type) for i in session.get_inputs()], [(o.name, o.shape) for o in session.get_outputs()],
              model.accuracy(session, model.judged), model.accuracy(session, model.fresh))
