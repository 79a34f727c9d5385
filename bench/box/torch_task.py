#!/usr/bin/env python3
"""Times Smooth Grad-CAM++ on VGG-16 in PyTorch float32, with TF32 off and on: the other side of the bench's m11.

The network is VGG-16 with random weights (He et al. 2015); what is timed is what the library does from the network's
input to the map: n noisy copies next to the clean picture, all of them through the network, the gradient of one class's
logit with respect to a layer, its moments over the copies, the weights, the map, and the map's way to the CPU.

PyTorch has its best settings: all copies in one batch, no gradients of weights and none below the layer, cuDNN's choice of
algorithms by timing, and the quicker of both memory formats. Times are milliseconds by the wall clock, the GPU idle before
and after.
"""
import argparse
import copy
import datetime
import json
import statistics
import sys
import time

try:
    import torch
    from torch import nn
except ImportError as error:
    sys.exit(f'torch_task.py: {sys.executable} has no PyTorch ({error}); name a Python that has: PYTHON=... ./run.sh --torch')

# Channels and number of convolutions of each block.
BLOCKS = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]
INPUT_SIZE = 224
CLASSES = 1000
CLASS_INDEX = 3
STD_DEV = 0.15  # of the noise, as a share of the input's range
LAYERS = ['block5_conv3', 'block1_conv1']
FORMATS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}
WARM_UP_RUNS = 3
# Rounding in float32 is two orders of magnitude below this, that of TF32 one above.
FLOAT32_ERROR = 1e-5


def vgg16(layer):
    """VGG-16 cut behind a layer's ReLU: from the input to its feature maps, and from there to the logits."""
    parts = [[], []]
    behind = 0
    channels = 3
    for block, (width, count) in enumerate(BLOCKS, start=1):
        for index in range(1, count + 1):
            parts[behind] += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
            if f'block{block}_conv{index}' == layer:
                behind = 1
        parts[behind].append(nn.MaxPool2d(2))
    cells = (INPUT_SIZE // 2 ** len(BLOCKS)) ** 2
    parts[1] += [nn.Flatten(), nn.Linear(channels * cells, 4096), nn.ReLU(inplace=True)]
    parts[1] += [nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, CLASSES)]
    if not behind:
        raise ValueError(f'VGG-16 has no layer {layer}')
    network = nn.ModuleList([nn.Sequential(*part) for part in parts])
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
            nn.init.zeros_(module.bias)
    return network.eval().requires_grad_(False)


def explain(network, picture, samples):
    """Smooth Grad-CAM++ of `picture` [1, 3, H, W]: the map [h, w] and the five best classes, on the CPU."""
    to_layer, to_logits = network
    noise = torch.randn((samples, *picture.shape[1:]), device=picture.device)
    noisy = picture + STD_DEV * (picture.max() - picture.min()) * noise
    inputs = torch.cat([picture, noisy])
    if is_channels_last(network):
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        activations = to_layer(inputs)
    logits = to_logits(activations.requires_grad_())
    (gradients,) = torch.autograd.grad(logits[1:, CLASS_INDEX].sum(), activations)
    with torch.no_grad():
        best = logits[0].softmax(0).topk(5)
        heat_map = map_of(activations[0], gradients[1:])
        return heat_map.cpu(), best.indices.cpu(), best.values.cpu()


def map_of(activations, gradients):
    """From feature maps [K, h, w] and gradients [n, K, h, w]. Powers of small gradients underflow, so they are scaled."""
    scale = gradients.abs().max().clamp_min(torch.finfo(gradients.dtype).tiny)
    g = gradients / scale
    squares = g * g
    d1, d2, d3 = g.mean(0), squares.mean(0), (squares * g).mean(0)
    denominator = 2 * d2 + activations.sum((1, 2), keepdim=True) * scale * d3
    alpha = torch.where(denominator > 0, d2 / denominator, torch.zeros_like(d2))
    weights = (alpha * d1.relu()).sum((1, 2), keepdim=True) * scale
    return (weights * activations).sum(0).relu()


def is_channels_last(network):
    # The second convolution's: with three channels or fewer a kernel can be of both formats.
    kernels = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d)]
    return kernels[1].is_contiguous(memory_format=torch.channels_last)


def allow_tf32(allowed):
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def rounding_error(device):
    """Of a convolution and a matrix product as they are set now, against float64: the greater of ‖y − ref‖ / ‖ref‖."""
    x = torch.randn(2, 128, 28, 28, device=device)
    w = torch.randn(128, 128, 3, 3, device=device)
    a, b = torch.randn(512, 512, device=device), torch.randn(512, 512, device=device)
    pairs = [
        (nn.functional.conv2d(x, w, padding=1), nn.functional.conv2d(x.double(), w.double(), padding=1)),
        (a @ b, a.double() @ b.double()),
    ]
    return max(float((y.double() - reference).norm() / reference.norm()) for y, reference in pairs)


def timed(work, synchronize):
    synchronize()
    started = time.perf_counter()
    work()
    synchronize()
    return 1000 * (time.perf_counter() - started)


def measure(layer, samples, runs, device, synchronize, precisions):
    """Milliseconds of the runs by precision, with the memory format that was the quicker for it."""
    picture = torch.rand(1, 3, INPUT_SIZE, INPUT_SIZE, device=device) * 255 - 117
    network = vgg16(layer)
    networks = {
        name: copy.deepcopy(network).to(device=device, memory_format=memory_format)
        for name, memory_format in FORMATS.items()
    }

    def run(precision, name):
        allow_tf32(precision == 'tf32')
        return timed(lambda: explain(networks[name], picture, samples), synchronize)

    formats = {}
    for precision in precisions:
        warm = {name: min(run(precision, name) for _ in range(WARM_UP_RUNS)) for name in FORMATS}
        formats[precision] = min(warm, key=warm.get)
    times = {precision: [] for precision in precisions}
    for index in range(runs):
        # In turn, so that neither drift nor order favours one.
        for precision in precisions if index % 2 == 0 else precisions[::-1]:
            times[precision].append(run(precision, formats[precision]))
    return times, formats


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', required=True, help='JSON file to write')
    parser.add_argument('--samples', type=int, help='n noisy copies; default 25, on a CPU 1')
    parser.add_argument('--runs', type=int, default=9, help='of which the median counts; default 9')
    parser.add_argument('--cpu', action='store_true', help='on the CPU, to try this program')
    options = parser.parse_args()
    samples = options.samples or (1 if options.cpu else 25)
    if samples < 1 or options.runs < 1:
        parser.error('--samples and --runs are whole numbers above 0')

    if options.cpu:
        device, name, synchronize = torch.device('cpu'), 'CPU', lambda: None
        software = f'PyTorch {torch.__version__}'
        precisions = ['float32']
    elif torch.cuda.is_available():
        device, synchronize = torch.device('cuda'), torch.cuda.synchronize
        name = torch.cuda.get_device_name(device)
        software = f'PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}'
        precisions = ['float32', 'tf32']
    else:
        sys.exit('torch_task.py: PyTorch sees no GPU with CUDA; to try this without one: ./run.sh --torch-cpu')
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    print(f'{name}; {software}', file=sys.stderr)

    errors = {}
    for precision in precisions:
        allow_tf32(precision == 'tf32')
        errors[precision] = rounding_error(device)
    if not errors['float32'] <= FLOAT32_ERROR:
        sys.exit(f'torch_task.py: with TF32 off the rounding error is {errors["float32"]:.1e}, which is not float32')

    tasks = []
    for layer in LAYERS:
        times, formats = measure(layer, samples, options.runs, device, synchronize, precisions)
        for precision, values in times.items():
            spread = f'{min(values):.2f} … {max(values):.2f}, {len(values)} runs, {formats[precision]}'
            print(f'{layer}, n = {samples}, {precision}: {statistics.median(values):.2f} ms ({spread})', file=sys.stderr)
        task = {'layer': layer, 'samples': samples, 'formats': formats}
        tasks.append({**task, **{f'{precision}Ms': values for precision, values in times.items()}})
    report = {
        'device': name,
        'software': software,
        'date': datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
        'roundingErrors': errors,
        'tasks': tasks,
    }
    with open(options.out, 'w', encoding='utf-8') as file:
        json.dump(report, file, indent=1)
        file.write('\n')


if __name__ == '__main__':
    main()
