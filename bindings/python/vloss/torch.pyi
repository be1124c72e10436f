# The modules and functions of torch, by their names and signatures, and three of vloss's own.
from torch import Tensor
from torch import dtype as _dtype
from torch.nn import BCELoss as BCELoss
from torch.nn import BCEWithLogitsLoss as BCEWithLogitsLoss
from torch.nn import CosineEmbeddingLoss as CosineEmbeddingLoss
from torch.nn import CrossEntropyLoss as CrossEntropyLoss
from torch.nn import GaussianNLLLoss as GaussianNLLLoss
from torch.nn import HingeEmbeddingLoss as HingeEmbeddingLoss
from torch.nn import HuberLoss as HuberLoss
from torch.nn import KLDivLoss as KLDivLoss
from torch.nn import L1Loss as L1Loss
from torch.nn import MarginRankingLoss as MarginRankingLoss
from torch.nn import MSELoss as MSELoss
from torch.nn import MultiLabelMarginLoss as MultiLabelMarginLoss
from torch.nn import MultiLabelSoftMarginLoss as MultiLabelSoftMarginLoss
from torch.nn import MultiMarginLoss as MultiMarginLoss
from torch.nn import NLLLoss as NLLLoss
from torch.nn import PoissonNLLLoss as PoissonNLLLoss
from torch.nn import SmoothL1Loss as SmoothL1Loss
from torch.nn import SoftMarginLoss as SoftMarginLoss
from torch.nn import TripletMarginLoss as TripletMarginLoss
from torch.nn.functional import binary_cross_entropy as binary_cross_entropy
from torch.nn.functional import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from torch.nn.functional import cosine_embedding_loss as cosine_embedding_loss
from torch.nn.functional import cross_entropy as cross_entropy
from torch.nn.functional import gaussian_nll_loss as gaussian_nll_loss
from torch.nn.functional import hinge_embedding_loss as hinge_embedding_loss
from torch.nn.functional import huber_loss as huber_loss
from torch.nn.functional import kl_div as kl_div
from torch.nn.functional import l1_loss as l1_loss
from torch.nn.functional import margin_ranking_loss as margin_ranking_loss
from torch.nn.functional import mse_loss as mse_loss
from torch.nn.functional import multi_margin_loss as multi_margin_loss
from torch.nn.functional import multilabel_margin_loss as multilabel_margin_loss
from torch.nn.functional import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from torch.nn.functional import nll_loss as nll_loss
from torch.nn.functional import poisson_nll_loss as poisson_nll_loss
from torch.nn.functional import smooth_l1_loss as smooth_l1_loss
from torch.nn.functional import soft_margin_loss as soft_margin_loss
from torch.nn.functional import triplet_margin_loss as triplet_margin_loss

def softmax(input: Tensor, dim: int = -1, dtype: _dtype | None = None) -> Tensor: ...
def log_softmax(input: Tensor, dim: int = -1, dtype: _dtype | None = None) -> Tensor: ...
def log_probs(
    logits: Tensor, ids: Tensor, *, scale: float = 1.0, softcap: float = 0.0, ignore_index: int | None = -100
) -> tuple[Tensor, Tensor, Tensor]: ...
def divergence(
    student: Tensor,
    teacher: Tensor,
    *,
    kind: str = "forward_kl",
    scale: float = 1.0,
    beta: float | None = None,
    labels: Tensor | None = None,
    ignore_index: int | None = -100,
    reduction: str = "mean",
) -> Tensor: ...
