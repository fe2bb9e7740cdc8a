"""The value head: its layers, where its weights come from, saving and loading."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from vlm_agent.models.value_head import VALUE_HEAD_FILE, ValueHead


def equal(one, other):
    return all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))


def trained(head):
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    return head


def test_the_layers_of_the_published_head():
    head = ValueHead(4096, (1024, 512), "relu")
    shapes = [tuple(each.weight.shape) for each in head.layers if hasattr(each, "weight")]
    assert shapes == [(1024, 4096), (512, 1024), (1, 512)]
    assert [type(each).__name__ for each in head.layers[1::2]] == ["ReLU", "ReLU"]
    assert head.sizes == (1024, 512)
    assert torch.equal(head(torch.randn(2, 4096)), torch.zeros(2)), "untrained, it returns 0"


def test_a_head_by_hand():
    head = ValueHead(2, (2, 1), "relu")
    weights = [[[1.0, 0.0], [0.0, -1.0]], [[1.0, 2.0]], [[3.0]]]
    with torch.no_grad():
        for layer, weight in zip(head.layers[::2], weights, strict=True):
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.zero_()
    # relu(2, -5) = (2, 0), so 3·2; relu(-1, 5) = (0, 5), so 3·10.
    assert head(torch.tensor([[2.0, 5.0], [-1.0, -5.0]])).tolist() == [6.0, 30.0]


def test_weights_come_from_the_seed_alone():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = torch.nn.Linear(8, 8)
    head = ValueHead(8)
    assert torch.equal(head.layers[0].weight, first.weight), "the seed of earlier releases is 0"
    state = torch.get_rng_state()
    for seed in (0, 1):
        torch.manual_seed(seed + 17)
        before = torch.get_rng_state()
        assert equal(ValueHead(8, (5, 3), seed=seed), ValueHead(8, (5, 3), seed=seed))
        assert torch.equal(torch.get_rng_state(), before), "no other generator moves"
    torch.set_rng_state(state)
    assert not equal(ValueHead(8), ValueHead(8, seed=1))
    assert not equal(ValueHead(8, (5, 3)), ValueHead(8, (5, 3), seed=1))


@pytest.mark.parametrize(
    ("sizes", "activation", "about"),
    [
        (None, "tanh", {"format": "1"}),
        ((5,), "tanh", {"format": "1"}),
        ((5, 3), "tanh", {"format": "1"}),
        ((5, 3), "relu", {"format": "2", "activation": "relu"}),
    ],
)
def test_a_saved_head_is_the_same_head(sizes, activation, about, tmp_path):
    head = trained(ValueHead(8, sizes, activation))
    head.standardise(torch.randn(16, 8))
    head.save(tmp_path)
    with safe_open(tmp_path / VALUE_HEAD_FILE, "pt") as file:
        assert file.metadata() == about
    loaded = ValueHead(8)
    loaded.load(tmp_path)
    assert (loaded.sizes, loaded.activation) == (head.sizes, head.activation)
    hidden = torch.randn(4, 8)
    assert torch.equal(loaded(hidden), head(hidden))
    with pytest.raises(ValueError, match="does not fit its model"):
        ValueHead(9).load(tmp_path)


def test_an_unknown_activation_is_refused(tmp_path):
    ValueHead(8, activation="relu").save(tmp_path)
    weights = load_file(tmp_path / VALUE_HEAD_FILE)
    save_file(weights, tmp_path / VALUE_HEAD_FILE, {"format": "2", "activation": "gelu"})
    with pytest.raises(ValueError, match="activation 'gelu'.*expected one of tanh, relu"):
        ValueHead(8).load(tmp_path)


def test_only_an_untrained_head_is_drawn_again():
    head = ValueHead(8)
    head.standardise(torch.randn(16, 8))
    mean = head.mean.clone()
    head.start(3, (5, 3), "relu")
    assert (head.sizes, head.activation) == ((5, 3), "relu")
    assert torch.equal(head.mean, mean)
    head.start(4)
    assert torch.equal(
        head.layers[0].weight, ValueHead(8, (5, 3), "relu", seed=4).layers[0].weight
    ), "of the sizes that it has"
    trained(head)
    kept = head.layers[0].weight.clone()
    head.start(5, (5, 3))
    assert torch.equal(head.layers[0].weight, kept)
    with pytest.raises(ValueError, match=r"layers of \[5, 3\] and relu, not \[6\] and relu"):
        head.start(5, (6,))
    with pytest.raises(ValueError, match="not .* and tanh"):
        head.start(5, activation="tanh")
