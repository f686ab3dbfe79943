"""Every kind of ViT that can be quantized runs on the machine, image to logits, bit by bit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from timm.models.vision_transformer import VisionTransformer

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.compiler import compile_network
from prune.quantize import quantize
from sim import reference
from sim.cycles import CycleModel
from sim.machine.run import Case, Conditions, Outcome, run_cases
from tests.prune.test_quantize import SMALL, VARIANTS, images_for, loaded_model

CONFIG = ArrayConfig()
STALLED = "deit"
SIZES: dict[str, Callable[[], VisionTransformer]] = {
    f"patch {patch}, image {image}": lambda patch=patch, image=image: VisionTransformer(
        **{**SMALL, "depth": 1, "patch_size": patch, "img_size": image}
    )
    for patch, image in ((8, 136), (14, 42), (16, 80), (32, 96))
}


@dataclass(frozen=True)
class Run:
    """A network through the machine, and what was predicted."""

    case: Case
    outcome: Outcome
    predicted: int


def _network(build: Callable[[], VisionTransformer]) -> tuple[Network, np.ndarray]:
    loaded = loaded_model(build())
    images = images_for(loaded, 4)
    network = quantize(loaded, images, (CONFIG.cols, CONFIG.rows))
    return network, reference.quantize_image(network.image, images[0].numpy())


@pytest.fixture(scope="module")
def runs() -> Mapping[str, Run]:
    cases, predicted = {}, {}
    for name, build in (VARIANTS | SIZES).items():
        network, patches = _network(build)
        program = compile_network(network, CONFIG)
        tensors = reference.execute(network, patches)
        predicted[name] = CycleModel(network, CONFIG).evaluate(program.kept).total
        cases[name] = Case(network, program, tensors, expected_cycles=predicted[name])
        if name == STALLED:
            stalls = Conditions(stall_percent=30)
            cases[f"{name}, stalled"] = Case(network, program, tensors, stalls, predicted[name])
            predicted[f"{name}, stalled"] = 0
    outcomes = run_cases(list(cases.values()))
    return {
        name: Run(case, outcome, predicted[name])
        for (name, case), outcome in zip(cases.items(), outcomes, strict=True)
    }


@pytest.mark.parametrize("variant", [*VARIANTS, *SIZES, f"{STALLED}, stalled"])
def test_every_value_of_the_network_is_exact(variant: str, runs: Mapping[str, Run]) -> None:
    run = runs[variant]
    assert (run.outcome.error, run.outcome.difference) == (None, None)
    assert run.outcome.result is not None
    expected = run.case.tensors[run.case.network.output]
    np.testing.assert_array_equal(run.outcome.result, expected)


@pytest.mark.parametrize("variant", [*VARIANTS, *SIZES])
def test_cycles_are_those_predicted(variant: str, runs: Mapping[str, Run]) -> None:
    assert runs[variant].outcome.total_cycles == runs[variant].predicted
