"""What is said of operations that cannot be seen through: each, while they are few."""

from __future__ import annotations

from notebook_explain.models.channel_graph.graph import lost, mixed


def test_a_few_are_told_one_by_one() -> None:
    assert list(lost({"lstm in a": 3, "lstm": 4})) == [
        "3 channels come out of lstm in a, which mixes channels: what feeds them is not known.",
        "4 channels come out of lstm, which mixes channels: what feeds them is not known.",
    ]
    assert list(mixed(["mul in a"])) == [
        "The gate of mul in a is mixed of many channels: what it comes from is not shown."
    ]
    assert list(lost({})) == list(mixed([])) == []


def test_many_of_a_kind_are_told_together_with_all_their_channels() -> None:
    unknown = {f"lstm in layer{at}": at for at in range(1, 5)} | {"matmul in head": 7}
    assert list(lost(unknown)) == [
        "10 channels come out of lstm in layer1 and 3 modules more, which mixes channels: what feeds them is not known.",
        "7 channels come out of matmul in head, which mixes channels: what feeds them is not known.",
    ]
    (sentence,) = mixed(f"mul in {at}" for at in "abc")
    assert sentence.startswith("The gates of mul in a and 2 modules more are mixed")
