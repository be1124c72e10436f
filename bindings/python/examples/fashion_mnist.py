#!/usr/bin/env python3
"""Trains a network on Fashion-MNIST twice from the same weights: with torch.nn.CrossEntropyLoss, and with that of vloss.torch in its place.

Prints for each epoch its time, the part of it that the loss takes, forward and backward, and the accuracy on the test images; draws the
losses of both runs as a PNG. Exit status 1: the accuracies differ by more than --tolerance. Debian: dataset-fashion-mnist, python3-torch,
python3-tqdm, python3-matplotlib.
"""
import argparse
import gzip
import pathlib
import sys
import time

import numpy as np
import torch
from tqdm import tqdm

import vloss.torch

DATA = "/usr/share/datasets/fashion-mnist"


def read(folder, name):
    """The bytes of a file in IDX format: a big-endian header, then the array."""
    with gzip.open(pathlib.Path(folder) / f"{name}-ubyte.gz") as file:
        data = file.read()
    shape = np.frombuffer(data, ">i4", data[3], 4)
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape).copy())


def images(folder, which, count=None):
    x, y = read(folder, f"{which}-images-idx3"), read(folder, f"{which}-labels-idx1")
    return x[:count].flatten(1).float() / 255, y[:count].long()


def epoch(model, criterion, optimiser, x, y, order, batch, bar):
    """(mean loss, seconds in the loss). The loss's own backward ends at the logits, so that it can be timed alone."""
    total = inside = 0.0
    started = time.perf_counter()
    for rows in order.split(batch):
        logits = model(x[rows])
        begin = time.perf_counter()
        leaf = logits.detach().requires_grad_()
        loss = criterion(leaf, y[rows])
        loss.backward()
        inside += time.perf_counter() - begin
        optimiser.zero_grad()
        logits.backward(leaf.grad)
        optimiser.step()
        total += float(loss) * len(rows)
        bar.update(len(rows))
        bar.set_postfix_str(f"loss {float(loss):.3f}, of the time in it {inside / (time.perf_counter() - started):.1%}", refresh=False)
    return total / len(order), inside


def train(name, criterion, data, options):
    x, y, test_x, test_y = data
    torch.manual_seed(options.seed)
    model = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    optimiser = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    losses = []
    for number in range(1, options.epochs + 1):
        start = time.perf_counter()
        with tqdm(total=len(x), desc=f"{name}, epoch {number}", unit=" images", leave=False, disable=None) as bar:
            loss, inside = epoch(model, criterion, optimiser, x, y, torch.randperm(len(x)), options.batch, bar)
        took = time.perf_counter() - start
        with torch.no_grad():
            accuracy = float((model(test_x).argmax(1) == test_y).float().mean())
        losses.append(loss)
        print(f"{name:8} epoch {number:2}: {took:5.2f} s, {inside / took:5.1%} of it in the loss; mean loss {loss:.4f}, accuracy {accuracy:.2%}")
    return losses, accuracy


def draw(path, losses):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for (name, values), style in zip(losses.items(), ("-", "--")):
        axes.plot(range(1, len(values) + 1), values, style, marker="o", label=name)
    axes.set(xlabel="epoch", ylabel="mean cross-entropy of the training images (nats)", title="Fashion-MNIST, one hidden layer")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    figure.savefig(path, dpi=120)
    print(f"drawn: {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--images", type=int, help="train with the first so many only")
    parser.add_argument("--tolerance", type=float, default=0.01, help="by which the accuracies may differ (0.01)")
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--png", default="fashion_mnist.png", help="where to draw the losses; empty: nowhere")
    options = parser.parse_args()
    try:
        data = images(options.data, "train", options.images) + images(options.data, "t10k")
    except OSError as reason:
        sys.exit(f"{reason} (package dataset-fashion-mnist)")
    losses, accuracies = {}, []
    for name, criterion in (("torch", torch.nn.CrossEntropyLoss()), ("vloss", vloss.torch.CrossEntropyLoss())):
        losses[name], accuracy = train(name, criterion, data, options)
        accuracies.append(accuracy)
    if options.png:
        draw(options.png, losses)
    difference = abs(accuracies[0] - accuracies[1])
    print(f"accuracies differ by {difference:.2%}")
    sys.exit(difference > options.tolerance)


main()
