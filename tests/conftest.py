"""What every test shares. Fixtures for one kind of test lie in that kind's folder."""

import torch

# Tiny networks gain nothing from a second thread, and lose much where other processes want the cores too.
torch.set_num_threads(1)
