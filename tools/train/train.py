"""Trains vgg16-scenes on drawn scenes, on a CPU. See README.md in this folder for the recipe and the commands.

    python3 train.py SHARDS CHECKPOINT

It goes on from CHECKPOINT where that exists. Every step draws its batch from a generator seeded by the step's own
number, so that an interrupted run takes the same batches as one that was not interrupted.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from model import Network, preprocess

SEED = 7
LABEL_SMOOTHING = 0.05
WEIGHT_DECAY = 0.02
SAVE_EVERY_STEPS = 100


@dataclass(frozen=True)
class Phase:
    """One cycle of the learning rate: up to `peak_rate` in a sixth of the steps, and down to nothing on a cosine."""

    name: str
    view: int  # side of the views in pixels
    images: int
    batch: int
    peak_rate: float


# Most of the learning happens on views of a quarter of the pixels, which cost a quarter of the time. Half of them are
# cuts at full scale and half are whole scenes at half scale, so that objects of every size are seen.
PHASES = (
    Phase("views", view=112, images=192_000, batch=64, peak_rate=4e-3),
    Phase("whole scenes", view=224, images=24_000, batch=32, peak_rate=8e-4),
)


class Scenes:
    """Shards of make-shards.js, mapped into memory."""

    def __init__(self, folder):
        self.pixels, self.records = [], []
        for index in sorted(Path(folder).glob("*.json")):
            shard = json.loads(index.read_text())
            self.classes, size = shard["classes"], shard["size"]
            shape = (len(shard["scenes"]), size, size, 3)
            self.pixels.append(np.memmap(index.with_suffix(".rgb"), np.uint8, "r", shape=shape))
            self.records += [(len(self.pixels) - 1, i, scene) for i, scene in enumerate(shard["scenes"])]
        if not self.records:
            sys.exit(f"{folder} holds no shards: make them with make-shards.js")

    def __len__(self):
        return len(self.records)

    def scene(self, index):
        """Pixels uint8 [size, size, 3] and the record {class, boxes}."""
        shard, i, record = self.records[index]
        return self.pixels[shard][i], record


def half_scale(pixels):
    return pixels.reshape(112, 2, 112, 2, 3).mean((1, 3), dtype=np.float32)


def cut(pixels, box, side, rng):
    """A square of `side` pixels with the whole box in it, which must not be larger."""
    size = pixels.shape[0]
    left, top, width, height = box

    def offset(start, length):
        low, high = max(0, start + length - side), min(start, size - side)
        return int(rng.integers(low, high + 1))

    x, y = offset(left, width), offset(top, height)
    return pixels[y : y + side, x : x + side].astype(np.float32)


def view(pixels, boxes, side, rng):
    if side == pixels.shape[0]:
        return pixels.astype(np.float32)
    fitting = [box for box in boxes if max(box[2:]) <= 0.9 * side and min(box[2:]) > 0]
    if fitting and rng.random() < 0.5:
        return cut(pixels, fitting[rng.integers(len(fitting))], side, rng)
    return half_scale(pixels)


def batch_of(scenes, phase, phase_number, step):
    """Views float32 [batch, 3, side, side], 0 … 255, and their classes. Mirrored, with colours exchanged and shifted:
    what a class is does not depend on them."""
    rng = np.random.default_rng([SEED, phase_number, step])
    images = np.empty((phase.batch, phase.view, phase.view, 3), np.float32)
    labels = np.empty(phase.batch, np.int64)
    for i, index in enumerate(rng.integers(len(scenes), size=phase.batch)):
        pixels, record = scenes.scene(index)
        image = view(pixels, record["boxes"], phase.view, rng)
        if rng.random() < 0.5:
            image = image[:, ::-1]
        if rng.random() < 0.5:
            image = image[:, :, rng.permutation(3)]
        images[i] = np.clip(image * rng.uniform(0.75, 1.25) + rng.uniform(-25, 25, 3).astype(np.float32), 0, 255)
        labels[i] = record["class"]
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)  # already channels_last in memory
    return preprocess(tensor), torch.from_numpy(labels)


def rate_at(step, steps, peak):
    warm = steps / 6
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + np.cos(np.pi * (step - warm) / (steps - warm)))


def groups(network):
    """Weight decay is for matrices and kernels, not for biases and normalisation."""
    kernels = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() == 1]
    return [{"params": kernels, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]


def save(path, state):
    torch.save(state, f"{path}.partial")
    os.replace(f"{path}.partial", path)


def train(shards, checkpoint):
    torch.manual_seed(SEED)
    scenes = Scenes(shards)
    network = Network(len(scenes.classes)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(groups(network))
    first_phase, first_step = 0, 0
    if os.path.exists(checkpoint):
        state = torch.load(checkpoint)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        first_phase, first_step = state["phase"], state["step"]

    network.train()
    for number in range(first_phase, len(PHASES)):
        phase = PHASES[number]
        steps = phase.images // phase.batch
        loss_mean, right_mean, since = None, None, time.time()
        for step in range(first_step, steps):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, steps, phase.peak_rate)
            images, labels = batch_of(scenes, phase, number, step)
            logits = network(images)
            loss = F.cross_entropy(logits, labels, label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

            right = (logits.argmax(1) == labels).float().mean().item()
            loss_mean = loss.item() if loss_mean is None else 0.98 * loss_mean + 0.02 * loss.item()
            right_mean = right if right_mean is None else 0.98 * right_mean + 0.02 * right
            if (step + 1) % SAVE_EVERY_STEPS == 0 or step + 1 == steps:
                done = step + 1 == steps
                save(
                    checkpoint,
                    {
                        "network": network.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "phase": number + done,
                        "step": 0 if done else step + 1,
                        "classes": scenes.classes,
                    },
                )
                per_second = phase.batch * SAVE_EVERY_STEPS / (time.time() - since)
                since = time.time()
                print(
                    f"{phase.name}: step {step + 1}/{steps}, loss {loss_mean:.3f}, right {right_mean:.3f}, "
                    f"{per_second:.0f} images/s",
                    flush=True,
                )
        first_step = 0


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("THREADS", "1")))
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    train(*sys.argv[1:])
