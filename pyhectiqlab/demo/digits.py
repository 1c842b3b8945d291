"""Trains a small network on 1,797 handwritten digits, in plain numpy, and reports it to the lab.

The lines that concern the lab are those with `run` in them: copy them into your own script.

The images are the test set of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak (UCI Machine
Learning Repository, 1998, doi 10.24432/C50P49, CC BY 4.0): 8 by 8 pixels, each from 0 to 16.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhectiqlab import Config, Run

Array = NDArray[np.float64]


class Network:
    """Fully connected layers with ReLU between them and softmax at the end, trained by SGD with momentum."""

    def __init__(self, sizes: tuple[int, ...], rng: np.random.Generator) -> None:
        pairs = list(pairwise(sizes))
        self.weights = [rng.normal(0.0, math.sqrt(2.0 / n), (n, m)) for n, m in pairs]
        self.biases = [np.zeros(m) for _, m in pairs]
        self.velocities = [np.zeros_like(p) for p in self.weights + self.biases]

    def forward(self, images: Array) -> list[Array]:
        """Return each layer's output, the images first and the class probabilities [n, 10] last."""
        outputs = [images]
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = outputs[-1] @ w + b
            outputs.append(np.maximum(z, 0.0) if i < len(self.weights) - 1 else softmax(z))
        return outputs

    def gradients(self, outputs: list[Array], labels: NDArray[np.int64]) -> tuple[list[Array], list[Array]]:
        """Gradients of the mean cross-entropy, one for each layer's weights and biases."""
        delta = outputs[-1].copy()
        delta[np.arange(len(labels)), labels] -= 1.0
        delta /= len(labels)
        of_weights: list[Array] = []
        of_biases: list[Array] = []
        for i in reversed(range(len(self.weights))):
            of_weights.insert(0, outputs[i].T @ delta)
            of_biases.insert(0, delta.sum(axis=0))
            delta = (delta @ self.weights[i].T) * (outputs[i] > 0)
        return of_weights, of_biases

    def update(self, gradients: list[Array], rate: float, momentum: float) -> None:
        for p, v, g in zip(self.weights + self.biases, self.velocities, gradients, strict=True):
            v *= momentum
            v -= rate * g
            p += v


def softmax(z: Array) -> Array:
    e: Array = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def score(probabilities: Array, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Mean cross-entropy and share of right answers."""
    of_label = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(of_label + 1e-12).mean()), float((probabilities.argmax(axis=1) == labels).mean())


def learning_rate(progress: float, peak: float, cycles: int) -> float:
    """Return a short linear warm-up, then cosine cycles that restart at half the height; progress from 0 to 1."""
    warm_up = 0.05
    if progress < warm_up:
        return peak * (progress + 1e-3) / warm_up
    cycle, within = divmod((progress - warm_up) / (1.0 - warm_up) * cycles, 1.0)
    height = peak * math.pow(0.5, cycle)
    return height * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * within)))


def paced(steps: int, seconds: float) -> Iterator[int]:
    """Yield the numbers of the steps, spread over so many seconds. At full speed this network would be trained before
    you had looked at it.
    """
    start = time.monotonic()
    for step in range(steps):
        yield step
        time.sleep(max(0.0, start + (step + 1) * seconds / steps - time.monotonic()))


def load_digits() -> tuple[Array, NDArray[np.int64]]:
    """Return the pixels of the images [1797, 64], from 0 to 1, and the digit that each one shows [1797]."""
    with np.load(Path(__file__).with_suffix(".npz")) as file:
        return file["images"] / 16.0, file["labels"].astype(np.int64)


def train(run: Run, config: Any, seconds: float) -> float:
    """Train, and report to `run`. Return the accuracy on the images kept aside for validation."""
    rng = np.random.default_rng(config.seed)
    images, labels = load_digits()
    order = rng.permutation(len(labels))
    held, used = order[: len(order) // 5], order[len(order) // 5 :]

    network = Network((64, *config.hidden, 10), rng)
    batches = math.ceil(len(used) / config.batch_size)
    accuracy = 0.0
    for step in paced(config.epochs * batches, seconds):
        epoch, place = divmod(step, batches)
        if place == 0:
            shuffled = rng.permutation(used)
        batch = shuffled[place * config.batch_size : (place + 1) * config.batch_size]

        rate = learning_rate(step / (config.epochs * batches), config.learning_rate, config.cycles)
        outputs = network.forward(images[batch] + rng.normal(0.0, config.noise, (len(batch), 64)))
        of_weights, of_biases = network.gradients(outputs, labels[batch])
        network.update(of_weights + of_biases, rate, config.momentum)

        loss, accuracy = score(outputs[-1], labels[batch])
        run.add_metrics("train/loss", loss, step)
        run.add_metrics("train/accuracy", accuracy, step)
        run.add_metrics("train/learning_rate", rate, step)
        norms = {f"weights/layer{i}_norm": np.linalg.norm(w) for i, w in enumerate(network.weights)}
        norms |= {f"weights/layer{i}_gradient": np.linalg.norm(g) for i, g in enumerate(of_weights)}
        run.add_metrics(norms, step=step)

        if place == batches - 1:
            loss, accuracy = score(network.forward(images[held])[-1], labels[held])
            run.add_metrics({"valid/loss": loss, "valid/accuracy": accuracy}, step=step)
            print(f"epoch {epoch + 1:3d}/{config.epochs}   valid loss {loss:.4f}   accuracy {accuracy:.1%}")
    return accuracy


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pyhectiqlab.demo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="spread the training over so long (0: no pauses)")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--name", default=None, help="the run's name (default: digits-mlp and the time)")
    parser.add_argument("--project", default="demo")
    args = parser.parse_args()

    config = Config(
        epochs=args.epochs,
        batch_size=32,
        hidden=[64, 32],
        learning_rate=0.1,
        momentum=0.9,
        cycles=3,
        noise=0.15,
        seed=7,
    )
    name = args.name or time.strftime("digits-mlp-%Y%m%d-%H%M%S")
    with Run(name, project=args.project, should_create_project=True) as run:
        print(f"Watch it train: {run.url}")
        run.add_config(config)
        run.training()
        accuracy = train(run, config, args.seconds)
    print(f"{accuracy:.1%} of the images it had never seen were read right.")


if __name__ == "__main__":
    main()
