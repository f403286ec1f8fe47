"""What test_onnxruntime.py does with ONNX in the environment of the example.

    onnx_kit.py accuracy MODEL DATA [SUBSET]  prints the accuracy of a file, one sample at a time, on a part of the data if one is given
    onnx_kit.py loud MODEL DATA           makes one of the samples of DATA so loud that others have no range left beside it
    onnx_kit.py ways MODEL                prints how each of its weights is quantized, by the shape of the weights
    onnx_kit.py twins MODEL DATA          writes a model with shared tensors, nodes without names, and an old opset
    onnx_kit.py folded MODEL DATA         writes a model with batch normalisation and a Gemm
    onnx_kit.py gate EXAMPLE MODEL DATA   asks the server of the example while it measures
    onnx_kit.py once EXAMPLE MODEL DATA   scores, and counts calibrations and what is said of how far it is
"""

import http.client
import json
import sys
import threading

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

WIDTH = 8


def accuracy(model, data, subset="{}"):
    data, session, subset = np.load(data), onnxruntime.InferenceSession(model), json.loads(subset)
    first = subset.get("from", 0)
    part = slice(first, first + subset.get("images", len(data["labels"])))
    print(json.dumps(float((each(session, data["inputs"][part]).argmax(1) == data["labels"][part]).mean())))


def each(session, samples):
    """The outputs of one sample at a time: ranges of dynamic operators depend on what else is in a batch."""
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: samples[i:i + 1]})[0] for i in range(len(samples))])


def ways(model):
    """Per weight in the order of the graph: its operator's type, and how many scales it has; 0 for fp32."""
    graph = onnx.load(model).graph
    constants = {constant.name: constant for constant in graph.initializer}
    made = {output: node for node in graph.node for output in node.output}
    found = []
    for node in graph.node:
        if node.op_type in ("Conv", "MatMul"):
            weight = made.get(node.input[1])
            scales = constants[weight.input[1]].dims if weight is not None else None
            found.append([node.op_type, 0 if scales is None else int(np.prod(scales))])
        elif node.op_type == "MatMulInteger":
            found.append(["dynamic", 1])
    print(json.dumps(found))


def twins(model, data):
    """x -> a, b; a + b -> c -> d, with c and d of the same weights."""
    rng = np.random.default_rng(3)
    weights = [numpy_helper.from_array(rng.standard_normal((WIDTH, WIDTH)).astype(np.float32), w) for w in "uvw"]
    nodes = [
        helper.make_node("MatMul", ["x", "u"], ["a"]), helper.make_node("MatMul", ["x", "v"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["s"]),
        helper.make_node("MatMul", ["s", "w"], ["c"]), helper.make_node("MatMul", ["c", "w"], ["d"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in "xd"]
    graph = helper.make_graph(nodes, "twins", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8), model)
    samples = rng.standard_normal((20, WIDTH)).astype(np.float32)
    np.savez(data, calibration=samples, inputs=samples, labels=np.zeros(20, np.int64))


def loud(model, data):
    arrays = dict(np.load(data))
    arrays["inputs"] = arrays["inputs"].copy()
    arrays["inputs"][0] *= 1e4
    arrays["labels"] = each(onnxruntime.InferenceSession(model), arrays["inputs"]).argmax(1)
    np.savez(data, **arrays)


def folded(model, data):
    """Conv without a name -> batch normalisation -> Gemm with one."""
    rng = np.random.default_rng(4)

    def weights(name, *shape):
        return numpy_helper.from_array(1 + rng.random(shape, np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "scale", "bias", "mean", "var"], ["n"]),
        helper.make_node("GlobalAveragePool", ["n"], ["p"]), helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "v", "b"], ["y"], name="head"),
    ]
    constants = [weights("w", WIDTH, 1, 3, 3), *(weights(n, WIDTH) for n in ("scale", "bias", "mean", "var", "b")),
                 weights("v", WIDTH, WIDTH)]
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, WIDTH, WIDTH]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", WIDTH])]
    graph = helper.make_graph(nodes, "folded", ends[:1], ends[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), model)
    samples = rng.random((20, 1, WIDTH, WIDTH), np.float32)
    np.savez(data, calibration=samples, inputs=samples, labels=np.zeros(20, np.int64))


def gate(example, model, data):
    """A measurement that waits until the test lets it go: others must be answered before that."""
    sys.path.insert(0, example)
    import evaluator  # must start nothing
    import serve

    inside, go = threading.Event(), threading.Event()

    class Slow(evaluator.Evaluator):
        def measure(self, *question):
            inside.set()
            go.wait()
            return super().measure(*question)

    server = serve.server_of(Slow(model, data), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(method, path, key):
        connection = http.client.HTTPConnection(*server.server_address)
        connection.request(method, path, "{}" if method == "POST" else None, {"Idempotency-Key": key})
        response = connection.getresponse()
        return response.status, response.headers["Retry-After"], json.loads(response.read())

    answers = []
    first = threading.Thread(target=lambda: answers.append(ask("POST", "/baseline", '"a.0"')))
    first.start()
    inside.wait()
    status, pause, body = ask("POST", "/baseline", '"b.0"')
    assert status == 503 and int(pause) > 0 and "busy" in body["error"], (status, pause, body)
    assert ask("GET", "/healthz", "")[0] == 200
    assert ask("POST", "/capability", '"c"')[0] == 200, "that measures nothing"
    go.set()
    first.join()
    status, _, measured = answers[0]
    assert status == 200 and "accuracy" in measured, answers
    assert ask("POST", "/baseline", '"a.0"')[2] == measured, "it was lost on its way"
    assert ask("POST", "/baseline", '"b.0"')[0] == 200, "the machine is free again"


def once(example, model, data):
    """Ranges are found once for each method, whatever is built from them."""
    sys.path.insert(0, example)
    import evaluator

    class Samples(list):
        taken = 0

        def __getitem__(self, part):
            Samples.taken += isinstance(part, slice)
            return super().__getitem__(part)

    tuner, said = evaluator.Evaluator(model, data), []
    tuner.quantizer.calibration = Samples(tuner.quantizer.calibration)
    static = {"mode": "static", "weight": {"dtype": "int8", "granularity": "per_tensor"}}
    options = [{**static, "activation": {"algorithm": method}} for method in ("MinMax", "Percentile")]
    names = list(tuner.quantizer.ops)[:2]
    question = {"question": "score", "ops": names, "options": {name: options for name in names},
                "config": {"ops": {}, "calibration_sampling_size": 8}}
    tuner.answer(question, lambda seen, total: said.append((seen, total)))
    assert Samples.taken == 2, f"calibrated {Samples.taken} times"
    assert said == [(1, 4), (2, 4), (3, 4), (4, 4)], said


{"accuracy": accuracy, "ways": ways, "twins": twins, "loud": loud, "folded": folded, "gate": gate, "once": once}[sys.argv[1]](*sys.argv[2:])
