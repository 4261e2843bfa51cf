"""Notes on operations that cannot be traced: one by one while they are few, together where they are many."""

from __future__ import annotations

from notebook_explain.models.channel_graph.notes import gate_notes, unknown_notes


def test_few_operations_get_a_note_each() -> None:
    assert list(unknown_notes({"lstm in a": 3, "lstm": 4})) == [
        "3 channels come from lstm in a, which cannot be traced channel by channel; their sources are unknown.",
        "4 channels come from lstm, which cannot be traced channel by channel; their sources are unknown.",
    ]
    assert list(gate_notes(["mul in a"])) == [
        "The gate of mul in a depends on many channels at once; its sources are not shown."
    ]
    assert list(unknown_notes({})) == list(gate_notes([])) == []


def test_many_operations_of_a_kind_share_a_note_with_all_their_channels() -> None:
    unknown = {f"lstm in layer{index}": index for index in range(1, 5)} | {"matmul in head": 7}
    first, second = unknown_notes(unknown)
    assert first.startswith("10 channels come from lstm in layer1 and 3 more modules, which cannot be traced")
    assert second.startswith("7 channels come from matmul in head, which cannot be traced")
    (note,) = gate_notes(f"mul in {name}" for name in "abc")
    assert note == (
        "The gates of mul in a and 2 more modules depend on many channels at once; their sources are not shown."
    )
