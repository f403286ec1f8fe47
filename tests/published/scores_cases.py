"""What Model Optimizer and AutoRound say of the layers of a real language model, read by narrowd.scores.

    scores_cases.py TOOL    run by test_exports.py where the tool is installed
"""

import contextlib
import os
import pathlib
import sys
import tempfile

from export_cases import language_model, text_tokens

import narrowd
from narrowd import scores

LAYERS = 2
WEIGHT = {"dtype": ["int"], "bits": [4, 8], "group_size": [128]}


def modelopt(model, tokenizer):
    """In its state of after a search, and in the checkpoint that it wrote of it: 4 bits hurt more than 8, and high precision not at all."""
    import modelopt.torch.quantization as mtq
    import torch

    tokens = text_tokens(tokenizer)
    with tempfile.TemporaryDirectory() as place:
        checkpoint = pathlib.Path(place) / "search.pth"
        _, state = mtq.auto_quantize(
            model, constraints={"effective_bits": 14.0}, quantization_formats=["INT4_BLOCKWISE_WEIGHT_ONLY_CFG", "INT8_WEIGHT_ONLY_CFG"],
            data_loader=[tokens], forward_step=lambda model, batch: model(batch, labels=batch), loss_func=lambda output, batch: output.loss,
            num_calib_steps=1, num_score_steps=1, checkpoint=str(checkpoint), disabled_layers=["*lm_head*"])
        found = scores.modelopt(state)
        assert scores.modelopt(torch.load(checkpoint, weights_only=False)) == found
    for name, entries in found.items():
        by_bits = {entry["when"].get("weight", {}).get("bits", 16): entry["score"] for entry in entries}
        assert by_bits.keys() == {4, 8, 16} or name == "lm_head", (name, entries)
        assert all(by_bits[4] > by_bits[8] > by_bits[16] == 0 for _ in by_bits if len(by_bits) == 3), (name, entries)
    found.pop("lm_head", None)  # which has no choice
    return found


def autoround(model, tokenizer):
    """In what it prints: a loss for each block, more of the later ones, as numbers grow from block to block."""
    from auto_round import AutoRound

    tokens = text_tokens(tokenizer)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said, printing_to(said):
        AutoRound(model, tokenizer, scheme="W4A16", iters=1, nsamples=1, batch_size=1, seqlen=64, device_map="cpu", amp=False,
                  dataset=[{"input_ids": tokens, "attention_mask": tokens * 0 + 1}]).quantize()
        said.seek(0)
        found = scores.autoround(said.read())
    losses = [entries[-1]["score"] for entries in found.values()]
    assert list(found) == [f"model.layers.{i}" for i in range(LAYERS)] and 0 < losses[0] < losses[-1], found
    return found


@contextlib.contextmanager
def printing_to(file):
    """What this process prints and says on standard error, its threads and libraries, too."""
    kept = [os.dup(1), os.dup(2)]
    for number in (1, 2):
        os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        for number, own in enumerate(kept, 1):
            os.dup2(own, number)
            os.close(own)


def main(tool):
    model, tokenizer = language_model(LAYERS)
    names = [name for name, module in model.named_modules() if type(module).__name__ == "Linear" and name != "lm_head"]
    found = {"modelopt": modelopt, "autoround": autoround}[tool](model, tokenizer)
    told = scores.tell({"ops": [{"name": name, "type": "Linear", "modes": {"weight_only": {"weight": WEIGHT}}} for name in names]}, found)
    assert all("known" in op for op in told["ops"]), told
    with narrowd.Client() as client:
        dry = client.dry_run({"approach": "weight_only", "capability": told, "tuning_criterion": {"strategy": "knapsack"}})
    print(f"{tool}: {len(told['ops'])} operators have scores, {dry['warnings']}")


if __name__ == "__main__":
    main(sys.argv[1])
