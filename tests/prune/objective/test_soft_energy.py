"""The torch form of the energy model against the exact one, and its gradients."""

from collections.abc import Callable

import pytest
import torch

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.compiler import record_bytes
from hw.program.isa import OPCODES
from hw.program.lowering import build_schedule, image_load
from prune.allocation.price import masked
from prune.blocks import BlockShape
from prune.objective.soft_energy import SoftEnergy
from sim.activity import Activity, load_activity
from sim.energy import energy
from tests.prune.small import GEOMETRIES, all_tokens, keep_of, masks_of, microjoules

MakeNetwork = Callable[[int, BlockShape], Network]


def loads(network: Network, config: ArrayConfig) -> float:
    """Microjoules of bringing in the image and the positions, which live tokens do not change."""
    schedule = build_schedule(network, config)
    image = image_load(schedule, network)
    instructions = [e.instruction for e in schedule.entries]
    done = Activity(
        features_written=8 * image.operand * config.word_bytes,
        image_bytes=record_bytes(image, config),
    )
    for instruction in instructions:
        if instruction.opcode == OPCODES["LOAD"]:
            done += load_activity(instruction, config)
    return energy(done, 0, config).total


@pytest.mark.parametrize("config", GEOMETRIES, ids=lambda c: f"{c.rows}x{c.cols},{c.acc_depth}")
def test_dense_network_takes_what_the_exact_model_says(
    small_network: MakeNetwork, config: ArrayConfig
) -> None:
    network = small_network(32, (config.cols, config.rows))
    exact = microjoules(network, config)
    assert float(SoftEnergy(network, config)()) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("config", GEOMETRIES, ids=lambda c: f"{c.rows}x{c.cols},{c.acc_depth}")
def test_kept_blocks_take_what_the_exact_model_says(
    small_network: MakeNetwork, config: ArrayConfig
) -> None:
    """What is left is the error of the cycles, times the share of clock and leakage."""
    network = small_network(32, (config.cols, config.rows))
    soft = SoftEnergy(network, config)
    for density in (0.8, 0.6, 0.4):
        keep = keep_of(network, density)
        exact = microjoules(masked(network, masks_of(network, keep)), config)
        assert float(soft(keep)) == pytest.approx(exact, rel=0.006)


@pytest.mark.parametrize("image_size", [20, 24, 40])
def test_live_tokens_take_what_the_exact_model_says(
    small_network: MakeNetwork, network: Network, image_size: int
) -> None:
    config = ArrayConfig()
    other = small_network(image_size, (16, 16))
    exact = microjoules(other, config) - loads(other, config) + loads(network, config)
    live = all_tokens(network, (image_size // 4) ** 2)
    assert float(SoftEnergy(network, config)(tokens=live)) == pytest.approx(exact, rel=0.015)


def test_every_block_and_token_count_gets_a_positive_gradient(network: Network) -> None:
    keep = {name: mask.double().requires_grad_() for name, mask in keep_of(network, 2.0).items()}
    live = {name: n.double().requires_grad_() for name, n in all_tokens(network, 64).items()}
    SoftEnergy(network, ArrayConfig())(keep, live).backward()
    for values in (*keep.values(), *live.values()):
        assert values.grad is not None and (values.grad > 0).all()


def test_gradient_in_the_blocks_is_the_slope(network: Network) -> None:
    soft = SoftEnergy(network, ArrayConfig())
    name = "blocks.0.mlp.fc1"
    keep = 0.6 + 0.4 * torch.rand(24, 6, dtype=torch.float64, generator=torch.manual_seed(0))
    assert torch.autograd.gradcheck(lambda mask: soft({name: mask}), keep.requires_grad_())


def test_gradient_in_the_tokens_is_the_slope_over_whole_tiles(network: Network) -> None:
    soft = SoftEnergy(network, ArrayConfig())
    for name in ("blocks.0.mlp.fc1", "blocks.0.attn.attend"):
        tokens = torch.tensor(64.0, dtype=torch.float64, requires_grad=True)
        soft(tokens={name: tokens}).backward()
        slope = (soft(tokens={name: tokens + 16}) - soft(tokens={name: tokens - 16})) / 32
        torch.testing.assert_close(tokens.grad, slope.detach())


def test_unknown_operation_is_refused(network: Network) -> None:
    with pytest.raises(KeyError, match=r"blocks\.9"):
        SoftEnergy(network, ArrayConfig())(tokens={"blocks.9.mlp.fc1": torch.tensor(1.0)})
