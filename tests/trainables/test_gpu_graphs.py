"""What would run on a GPU: the wheel's tables of kernels, read on a processor, against the graphs that are traced."""

import gc
from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
from tensorflow.python.framework import kernels

from trainables import hardware
from trainables.loop import Training, forget_loops, make_loop
from trainables.params import params_of

GPU = ("GPU", "DEFAULT")
"""Device types whose kernels TensorFlow takes for a node on a GPU."""
XLA = ("XLA_GPU_JIT",)
NO_KERNEL = {"Placeholder", "NoOp", "PartitionedCall", "StatefulPartitionedCall", "While", "StatelessWhile"}
"""What is no computation, or calls what is audited by itself."""
SMALL = {"width": 8, "dropout": 0.5}
MODELS = {
    "cnn": ("cnn", {"width": 8, "depth": 2, "batch_norm": True}),
    "unet": ("pix2pix", {**SMALL, "depth": 3, "warm_up_epochs": 1, "ema_decay": 0.9}),
    "mobilenetv2": ("pix2pix", {**SMALL, "encoder": "mobilenetv2", "unfrozen_layers": 3}),
}


@cache
def kernels_of(operation):
    return list(kernels.get_registered_kernels_for_op(operation).kernel)


def types_of(node, name):
    attribute = node.attr[name]
    return [attribute.type] if attribute.WhichOneof("value") == "type" else list(attribute.list.type)


def has_kernel(node, devices):
    def fits(kernel):
        return all(
            set(types_of(node, constraint.name)) <= set(constraint.allowed_values.list.type)
            for constraint in kernel.constraint
        )

    return any(kernel.device_type in devices and fits(kernel) for kernel in kernels_of(node.op))


def called_by(nodes):
    attributes = [attribute for node in nodes for attribute in node.attr.values()]
    named = [attribute.func.name for attribute in attributes if attribute.HasField("func")]
    return {*named, *(one.name for attribute in attributes for one in attribute.list.func)}


def without_kernel(concrete):
    """The operations of a traced function that a GPU has no kernel for, with the types they would need."""
    graph = concrete.graph.as_graph_def()
    functions = {function.signature.name: function for function in graph.library.function}
    compiled = {name for name, one in functions.items() if one.attr["_XlaMustCompile"].b}
    reached = list(compiled)
    while reached:
        inside = called_by(functions[reached.pop()].node_def) & functions.keys() - compiled
        compiled |= inside
        reached += inside
    bodies = [(graph.node, GPU)]
    bodies += [(one.node_def, XLA if name in compiled else GPU) for name, one in functions.items()]
    return {
        (node.op, *sorted(tf.dtypes.as_dtype(each).name for key in node.attr for each in types_of(node, key)))
        for nodes, devices in bodies
        for node in nodes
        if node.op not in NO_KERNEL and node.op not in functions and not has_kernel(node, devices)
        if "CPU" not in node.device
    }


def graphs_of_this_process():
    """All of this project's functions of known signature that are there, and what else of it was traced.

    Tracing runs nothing. A colorizer, which one user calls for one photo wherever it is, is none of them.
    """
    found = [one for one in gc.get_objects() if isinstance(one, Function)]
    found = [
        one
        for one in found
        if (module := one.python_function.__module__).startswith("trainables.")
        and module != "trainables.colorizer"
    ]
    for one in found:
        if one.input_signature:
            one.get_concrete_function()
    return [concrete for one in found for concrete in one._list_all_concrete_functions()]


@pytest.mark.parametrize(
    ("model", "precision"),
    [
        ("cnn", "bfloat16"),
        ("unet", "bfloat16"),
        ("unet", "float16"),
        ("unet", "float32"),
        ("mobilenetv2", "bfloat16"),
    ],
)
def test_every_operation_of_training_and_evaluation_has_a_kernel_on_a_gpu(
    pack, weights_file, model, precision, monkeypatch
):
    monkeypatch.setattr(hardware, "uses_gpu", lambda: True)
    forget_loops()
    name, params = MODELS[model]
    training = Training(
        params_of(name, params),
        batch_size=8,
        seed=0,
        epochs=2,
        precision=precision,
        encoder_weights=weights_file,
    )
    loop = make_loop(training, pack)
    loop.evaluate()
    graphs = graphs_of_this_process()
    names = {node.name for graph in graphs for node in graph.graph.as_graph_def().node}
    assert any("while" in name for name in names), "training is among what is looked at"
    assert set().union(*map(without_kernel, graphs)) == set()


def test_the_audit_finds_what_has_no_kernel():
    photos = tf.constant(np.zeros((4, 8, 8, 3), np.uint8))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False)
    def drawn(rows):
        return tf.gather(photos, rows)

    assert {operation for operation, *_ in without_kernel(drawn.get_concrete_function())} == {"GatherV2"}


def test_a_compiled_epoch_is_that_of_single_operations(pack, monkeypatch):
    # Without dropout, whose bits XLA draws otherwise.
    params = params_of("cnn", {"width": 8, "depth": 2, "dropout": 0.0, "batch_norm": True})
    found = []
    for compiled in (False, True):
        monkeypatch.setattr(hardware, "uses_gpu", lambda compiled=compiled: compiled)
        loop = make_loop(Training(params, batch_size=8, seed=0, epochs=1), pack)
        losses = loop.train_epoch()
        found.append({**losses, **loop.evaluate()})
    assert found[1] == pytest.approx(found[0], rel=1e-5)
