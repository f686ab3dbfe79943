"""The training objective: its value, its gradients, and gates that learn from it."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Network
from prune.allocation.budget import Unit
from prune.blocks import PrunableLayer, prunable_layers
from prune.data import bundled_images
from prune.demo import normalize
from prune.models import load_model
from prune.objective.cost import SoftCycles
from prune.objective.objective import Price, TrainingObjective
from prune.objective.soft_energy import SoftEnergy
from prune.quantize import quantize

CONFIG = ArrayConfig()


def test_objective_is_the_task_loss_plus_the_priced_shares(network: Network) -> None:
    prices = {"cycles": Price(2.0, target=0.5), "energy": Price(3.0)}
    keep = {"blocks.0.mlp.fc1": torch.full((24, 6), 0.25)}
    cycles, energy = SoftCycles(network, CONFIG), SoftEnergy(network, CONFIG)
    expected = 1 + 2 * (cycles(keep) / cycles() - 0.5) + 3 * energy(keep) / energy()
    found = TrainingObjective(network, CONFIG, prices)(torch.tensor(1.0), keep)
    torch.testing.assert_close(found, expected.float())


def test_costs_below_their_targets_are_free(network: Network) -> None:
    objective = TrainingObjective(network, CONFIG, {"cycles": Price(2.0, target=1.0)})
    keep = torch.full((24, 6), 0.5, requires_grad=True)
    loss = objective(torch.tensor(1.0), {"blocks.0.mlp.fc1": keep})
    assert loss == 1
    loss.backward()
    assert keep.grad is not None and not keep.grad.any()


def test_gradient_is_the_slope(network: Network) -> None:
    objective = TrainingObjective(
        network, CONFIG, {"cycles": Price(2.0, target=0.1), "energy": Price(3.0, target=0.1)}
    )
    keep = 0.6 + 0.4 * torch.rand(24, 6, dtype=torch.float64, generator=torch.manual_seed(0))
    assert torch.autograd.gradcheck(
        lambda mask: objective(mask.square().sum(), {"blocks.0.mlp.fc1": mask}),
        keep.requires_grad_(),
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [((-1.0,), "weight=-1"), ((float("nan"),), "weight=nan"), ((1.0, 1.5), "target=1.5")],
)
def test_price_that_makes_no_sense_is_refused(settings: tuple[float, ...], named: str) -> None:
    with pytest.raises(UserError, match=named):
        Price(*settings)


def test_unit_without_a_torch_form_is_refused(network: Network) -> None:
    with pytest.raises(UserError, match="price of flops: expected one of cycles or energy"):
        TrainingObjective(network, CONFIG, {"flops": Price(1.0)})


def gated(layer: PrunableLayer, gate: Tensor) -> Tensor:
    """The layer's weight, every block times its gate."""
    rows, columns = layer.grid.block
    full = gate.repeat_interleave(rows, 0).repeat_interleave(columns, 1)
    weight = layer.matrix() * full[: layer.grid.shape[0], : layer.grid.shape[1]]
    return weight.view_as(layer.module.weight)


def test_gates_learn_to_meet_targets_in_cycles_and_in_energy() -> None:
    """Gates of the trained demo's blocks; without prices they stay above 0.8 of both costs."""
    loaded = load_model("demo")
    images, labels = bundled_images("calibration")
    network = quantize(loaded, torch.from_numpy(images[:2]).float().unsqueeze(1) / 255)
    prices: dict[Unit, Price] = {"cycles": Price(10.0, 0.7), "energy": Price(10.0, 0.65)}
    objective = TrainingObjective(network, CONFIG, prices)
    layers = prunable_layers(loaded.model, (16, 16))
    logits = {layer.name: nn.Parameter(torch.full(layer.grid.size, 3.0)) for layer in layers}
    optimizer = torch.optim.Adam(logits.values(), lr=0.3, betas=(0.0, 0.9))
    inputs, targets = normalize(images[:32]), torch.from_numpy(labels[:32])
    losses = []
    for _ in range(20):
        keep = {name: logit.sigmoid() for name, logit in logits.items()}
        weights = {f"{layer.name}.weight": gated(layer, keep[layer.name]) for layer in layers}
        task = F.cross_entropy(functional_call(loaded.model, weights, (inputs,)), targets)
        losses.append(task.item())
        optimizer.zero_grad()
        objective(task, keep).backward()
        optimizer.step()
    reached = objective.shares({name: logit.sigmoid() for name, logit in logits.items()})
    assert max(losses) < 1  # of guessing: 2.3
    assert losses[-1] < losses[0]
    assert reached["energy"].item() == pytest.approx(0.65, abs=0.03)
    assert reached["cycles"].item() < 0.7
