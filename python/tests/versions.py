"""What tests ask of the version of PyTorch."""

import pytest
import torch

#: Older versions neither look into operators such as ours nor go round them. By number, so that no later version is let off.
needs_operators = pytest.mark.skipif(
    tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 5),
    reason="torch.compile and vmap of operators need PyTorch 2.5",
)
#: The compiler of some versions warns of itself.
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning")
