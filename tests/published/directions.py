"""Pictures of words, half of them upside down, for the direction network of PP-OCR that ships in rapidocr-onnxruntime.

    directions.py MODEL.onnx DATA.npz   writes both: the network as it was published, and calibration data
"""

import importlib.util
import pathlib
import random
import shutil
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

HEIGHT, WIDTH = 48, 192
CALIBRATION, JUDGED = 16, 120


def picture(rng):
    text = "".join(rng.choice("abcdefghijkmnprstuvwyzABDEFGHJKLMNPQRTUVY2345679 ") for _ in range(rng.randint(4, 9)))
    image = Image.new("RGB", (WIDTH, HEIGHT), rng.choice(["white", "lightyellow", "gray"]))
    font = ImageFont.load_default(size=rng.randint(20, 34))
    ImageDraw.Draw(image).text((rng.randint(0, 20), rng.randint(0, 10)), text, fill=rng.choice(["black", "navy", "darkred"]), font=font)
    image = image.rotate(rng.uniform(-4, 4), fillcolor="white").filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))
    turned = rng.random() < 0.5
    array = np.asarray(image.rotate(180) if turned else image, np.float32) / 255
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, 0.05, array.shape)
    return ((array + noise - 0.5) / 0.5).transpose(2, 0, 1).astype(np.float32), int(turned)


def pictures(seed, count):
    rng = random.Random(seed)
    images, labels = zip(*(picture(rng) for _ in range(count)), strict=True)
    return np.stack(images), np.array(labels)


IMAGES, LABELS = pictures(1, JUDGED)


def accuracy(session):
    name = session.get_inputs()[0].name
    chosen = np.concatenate([session.run(None, {name: IMAGES[i:i + 40]})[0].argmax(1) for i in range(0, JUDGED, 40)])
    return float((chosen == LABELS).mean())


def halve(path, out):
    """A model with its weights, those in nodes as well, and its inputs and outputs in float16."""
    import onnx  # not everywhere where the pictures are wanted

    model = onnx.load(path)
    held = [attribute.t for node in model.graph.node if node.op_type == "Constant" for attribute in node.attribute if attribute.name == "value"]
    for weight in (*model.graph.initializer, *held):
        if weight.data_type == onnx.TensorProto.FLOAT:
            weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight).astype(np.float16), weight.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    onnx.save(model, out)


if __name__ == "__main__":
    package = pathlib.Path(importlib.util.find_spec("rapidocr_onnxruntime").origin).parent
    shutil.copyfile(package / "models/ch_ppocr_mobile_v2.0_cls_infer.onnx", sys.argv[1])
    np.savez(sys.argv[2], **{"x": pictures(2, CALIBRATION)[0]})
