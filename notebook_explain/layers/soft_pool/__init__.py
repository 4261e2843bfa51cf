"""SoftPool: pooling by softmax weights, its gradient, and the weights themselves."""
