"""The network that is trained, and what becomes of it in the shipped file."""

import torch
from torch import nn

CONVOLUTIONS = (2, 2, 3, 3, 3)
CHANNELS = (8, 16, 32, 64, 64)  # an eighth of VGG-16's
HIDDEN_UNITS = 128
INPUT_SIZE = 224
CELLS = (INPUT_SIZE // 32) ** 2

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def preprocess(images):
    """[n, 3, h, w] in R, G, B, 0 … 255, to torchvision's standardised input."""
    return (images / 255 - MEAN) / STD


class Network(nn.Module):
    """VGG-16 with batch normalisation, and the mean over the cells in place of flattening.

    Then the place of an object does not matter, and a picture of any size will do for training. `plain_weights` turns it
    into the very VGG-16: a fully connected layer on all cells whose weights for each cell are the same."""

    def __init__(self, classes):
        super().__init__()
        modules, channels_in = [], 3
        for channels, convolutions in zip(CHANNELS, CONVOLUTIONS):
            for _ in range(convolutions):
                modules += [
                    nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(inplace=True),
                ]
                channels_in = channels
            modules.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*modules)
        self.classifier = nn.Sequential(
            nn.Linear(channels_in, HIDDEN_UNITS),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN_UNITS, HIDDEN_UNITS),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN_UNITS, classes),
        )
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images):
        return self.classifier(self.features(images).mean((2, 3)))


def plain_weights(network):
    """Tensors of the same function without batch normalisation, by torchvision's names for vgg16."""
    weights, module = {}, 0
    layers = list(network.features)
    for i, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            norm = layers[i + 1]
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weights[f"features.{module}.weight"] = layer.weight * scale.view(-1, 1, 1, 1)
            weights[f"features.{module}.bias"] = norm.bias - norm.running_mean * scale
            module += 2  # the convolution and its ReLU
        elif isinstance(layer, nn.MaxPool2d):
            module += 1
    fc1, _, fc2, _, predictions = network.classifier
    # Flattening runs through all cells of a channel before the next channel.
    on_cells = fc1.weight.repeat_interleave(CELLS, dim=1) / CELLS
    for name, weight, bias in (
        ("classifier.0", on_cells, fc1.bias),
        ("classifier.3", fc2.weight, fc2.bias),
        ("classifier.6", predictions.weight, predictions.bias),
    ):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = weight, bias
    return {name: tensor.detach().half().contiguous() for name, tensor in weights.items()}


def plain_logits(weights, images):
    """VGG-16 as the library computes it: convolutions, poolings, flattening, three dense layers.

    images: [n, 3, 224, 224], preprocessed. Returns [n, classes]."""
    functional = nn.functional
    tensor = {name: value.float() for name, value in weights.items()}
    x, module = images, 0
    for convolutions in CONVOLUTIONS:
        for _ in range(convolutions):
            name = f"features.{module}"
            x = functional.relu(functional.conv2d(x, tensor[f"{name}.weight"], tensor[f"{name}.bias"], padding=1))
            module += 2
        x = functional.max_pool2d(x, 2)
        module += 1
    x = x.flatten(1)
    for name in ("classifier.0", "classifier.3"):
        x = functional.relu(functional.linear(x, tensor[f"{name}.weight"], tensor[f"{name}.bias"]))
    return functional.linear(x, tensor["classifier.6.weight"], tensor["classifier.6.bias"])
