"""Writes the trained network as plain VGG-16 weights in half precision and measures what was written.

    python3 export.py CHECKPOINT TEST_SHARDS OUT.safetensors

Prints the accuracy per class, size and number of objects and the confusion as Markdown, for the model card.
"""

import json
import os
import sys

import numpy as np
import torch

from model import INPUT_SIZE, Network, plain_logits, plain_weights, preprocess
from train import Scenes

BATCH = 50


def write_safetensors(path, tensors, metadata):
    """https://huggingface.co/docs/safetensors/index#format"""
    header, offset = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(tensor.numpy().astype("<f2").tobytes())


def predictions_of(weights, scenes):
    """[scenes]: the class index that plain VGG-16 gives each scene."""
    predictions = []
    with torch.no_grad():
        for first in range(0, len(scenes), BATCH):
            batch = [scenes.scene(i)[0] for i in range(first, min(first + BATCH, len(scenes)))]
            pixels = torch.from_numpy(np.stack(batch).astype(np.float32)).permute(0, 3, 1, 2)
            predictions += plain_logits(weights, preprocess(pixels)).argmax(1).tolist()
    return np.array(predictions)


def percent(right):
    return f"{len(right)} | {100 * right.mean():.1f} %"


def by_class(labels, predictions, classes):
    lines = ["| class | scenes | right | taken for |", "|---|---:|---:|---|"]
    for i, name in enumerate(classes):
        given = predictions[labels == i]
        wrong = sorted(((int((given == j).sum()), classes[j]) for j in set(given) - {i}), reverse=True)
        lines.append(f"| {name} | {percent(given == i)} | {', '.join(f'{other} {n}' for n, other in wrong)} |")
    return lines


def by_size(sizes, right):
    """sizes: the longer side of the largest object's visible box, as a share of the picture's."""
    lines = ["| largest object, of the side | scenes | right |", "|---|---:|---:|"]
    for low, high in ((0, 0.15), (0.15, 0.25), (0.25, 0.4), (0.4, 1)):
        name = f"{100 * low:.0f} … {100 * high:.0f} %" if high < 1 else f"{100 * low:.0f} % and more"
        lines.append(f"| {name} | {percent(right[(sizes >= low) & (sizes < high)])} |")
    return lines


def by_count(counts, right):
    """counts: objects of the main class."""
    lines = ["| objects of the class | scenes | right |", "|---|---:|---:|"]
    return lines + [f"| {count} | {percent(right[counts == count])} |" for count in sorted(set(counts))]


def report(weights, scenes):
    records = [record for _, _, record in scenes.records]
    labels = np.array([record["class"] for record in records])
    sizes = np.array([max(max(box[2:]) for box in record["boxes"]) for record in records]) / INPUT_SIZE
    counts = np.array([len(record["boxes"]) for record in records])
    predictions = predictions_of(weights, scenes)
    right = predictions == labels
    error = np.sqrt(right.mean() * (1 - right.mean()) / len(right))
    total = f"{right.sum()} of {len(right)} right: {100 * right.mean():.1f} % (standard error {100 * error:.1f})"
    tables = (by_class(labels, predictions, scenes.classes), by_size(sizes, right), by_count(counts, right))
    return "\n\n".join([total, *("\n".join(table) for table in tables)])


def export(checkpoint, shards, out):
    scenes = Scenes(shards)
    state = torch.load(checkpoint)
    if state["classes"] != scenes.classes:
        sys.exit(f"{checkpoint} was trained on other classes than those of {shards}")
    network = Network(len(scenes.classes))
    network.load_state_dict(state["network"])
    network.eval()
    weights = plain_weights(network)
    metadata = {"format": "pt", "classes": ",".join(scenes.classes)}
    write_safetensors(out, weights, metadata)
    print(report(weights, scenes))


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("THREADS", "1")))
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    export(*sys.argv[1:])
