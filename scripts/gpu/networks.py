"""Small networks that have every layer of the language between them, and data for them."""
import random
import struct

from .machine import write_npy

CLASSES, SIDE, BATCH = 4, 12, 4  # an epoch is one step, so that the log has every step's loss

RECIPE = """
dataset noise {{
    train = numpy("x.npy", "y.npy")
    test = numpy("x.npy", "y.npy")
}}
train run = {name}() on noise {{
    loss = {loss}
    optimizer = {optimizer}
    schedule = [constant(0.01)]
    augment = {augment}
    batch = {batch}
    epochs = 2
}}
"""
AUGMENT = {"residuals": "[flip(horizontal), rotate(20deg), erase(50%, area = 33%), mixup(0.4)]"}

# name: (loss, optimizer, layers between a picture [3, 12, 12] and CLASSES logits). In bf16 a value at a rounding boundary
# falls to either side; networks that magnify that (deep ones, with batch norm over few values) are not for comparing.
LAYERS = {
    "strides": ("cross_entropy(label_smoothing = 0.1)", "sgd(momentum = 0.9, nesterov = true, weight_decay = 0.01)", """
        conv(10, 5x3, stride = 2x1, pad = 2x1); relu
        conv(12, 3x3, dilation = 2); leaky_relu(0.1)
        conv(8, 1x1, stride = 2); batch_norm; relu
        max_pool(3x3, stride = 2, pad = 1)
        flatten; linear(9); tanh"""),
    "groups": ("cross_entropy()", "adamw(weight_decay = 0.01)", """
        conv_bn_relu(16, 3x3)
        conv(24, 3x3, groups = 4); gelu
        depthwise_conv(3x3, stride = 2); silu
        avg_pool(2x2); local_response_norm(5)
        adaptive_avg_pool(2x2); flatten"""),
    "residuals": ("cross_entropy()", "sgd(momentum = 0.9)", """
        conv_bn_relu(16, 3x3)
        residual { conv_bn_relu(8, 1x1); conv_bn_relu(8, 3x3, stride = 2); conv_bn(32, 1x1) }
        shortcut { conv_bn(32, 1x1, stride = 2) }
        global_avg_pool"""),
    "identity": ("cross_entropy()", "sgd(momentum = 0.9)", """
        conv_bn_relu(16, 3x3)
        residual { conv_bn(16, 3x3) }
        global_avg_pool"""),
    "elements": ("smooth_l1()", "sgd(momentum = 0.9)", """
        conv(6, 3x3); abs; sqrt; sigmoid; log
        conv(6, 3x3); erf; exp; neg
        conv(6, 3x3, bias = false); batch_norm; square
        conv(6, 3x3) as p
        conv(6, 3x3) as q
        [p, q] -> maximum as r
        [r, p] -> minimum as s
        [p, q] -> greater as t
        [t, s, q] -> select
        global_avg_pool"""),
    "branches": ("mse()", "rmsprop()", """
        conv_bn_relu(8, 3x3); max_pool(2x2)
        inception {
            branch { conv_bn_relu(5, 1x1) }
            branch { conv_bn_relu(4, 1x1); conv_bn_relu(7, 3x3) }
            branch { max_pool(3x3, stride = 1, pad = 1); conv_bn_relu(3, 1x1) }
        }
        upsample(2x2); zero_pad(1, 0, 2, 1); slice(2, 1, 9, step = 2)
        global_avg_pool; dropout(20%)"""),
    "vectors": ("binary_cross_entropy()", "adam()", """
        flatten; linear(24); layer_norm; sigmoid
        reshape([4, 6]); transpose([1, 0]); softmax(1)
        reshape([24]); linear(16); square; linear(8); log_softmax"""),
}


def write(folder):
    """Writes NAME.net for each, and the data. Gives their names."""
    rng = random.Random(1)
    size = BATCH * 3 * SIDE * SIDE
    write_npy(folder / "x.npy", "<f4", (BATCH, 3, SIDE, SIDE), struct.pack(f"<{size}f", *(rng.gauss(0, 1) for _ in range(size))))
    write_npy(folder / "y.npy", "<i8", (BATCH,), struct.pack(f"<{BATCH}q", *(rng.randrange(CLASSES) for _ in range(BATCH))))
    for name, (loss, optimizer, layers) in LAYERS.items():
        (folder / f"{name}.net").write_text(
            f"network {name}() {{\n    input image: [3, {SIDE}, {SIDE}]{layers}\n    linear({CLASSES})\n    output logits\n}}\n" +
            RECIPE.format(name=name, batch=BATCH, loss=loss, optimizer=optimizer, augment=AUGMENT.get(name, "[]")))
    return list(LAYERS)


def write_pictures(folder, count, classes):
    """Random pictures of 224x224 as big_x.npy and big_y.npy."""
    rng = random.Random(2)
    write_npy(folder / "big_x.npy", "|u1", (count, 3, 224, 224), rng.randbytes(count * 3 * 224 * 224))
    write_npy(folder / "big_y.npy", "<i8", (count,), struct.pack(f"<{count}q", *(rng.randrange(classes) for _ in range(count))))
