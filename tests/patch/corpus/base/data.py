"""Protected: what is trained on."""


def batches(split, size, count):
    raise NotImplementedError(split, size, count)
