def attention(weights):
    return weights["query"]


attention({})
