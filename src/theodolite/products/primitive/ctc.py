"""Connectionist temporal classification in primitive operations.

torch's own has no second derivative.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from theodolite.products.rewriting import Rewrites, autocast

rewrites = Rewrites()

# the logarithm of an impossible path's probability; infinity has no derivatives
_NEVER = -1e30


@rewrites(torch.ctc_loss)
@autocast(torch.float32, "cpu", "cuda")
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the logarithm of the probability of all paths that read as the target.

    Its derivative by ``log_probs`` is the true one, torch's that of logits before a
    log-softmax; behind a log-softmax the two agree.
    """
    alone = log_probs.ndim == 2
    steps = log_probs.unsqueeze(1) if alone else log_probs
    steps_taken, lengths = (
        torch.as_tensor(given, device=steps.device).reshape(-1)
        for given in (input_lengths, target_lengths)
    )
    labels = _with_blanks(_padded(targets, lengths, blank), blank)
    loss = -_log_likelihood(steps, labels, steps_taken, lengths)
    loss = torch.where(loss < -_NEVER / 2, loss, 0 if zero_infinity else torch.inf)
    if reduction == 0:
        return loss.squeeze(0) if alone else loss
    return (loss / lengths.clamp_min(1)).mean() if reduction == 1 else loss.sum()


def _padded(targets: Tensor, lengths: Tensor, blank: int) -> Tensor:
    """One row of labels for each sample, filled up with blanks."""
    if targets.ndim == 1:
        rows = targets.split(lengths.tolist())
        targets = torch.nn.utils.rnn.pad_sequence(list(rows), True, blank)
    places = torch.arange(targets.shape[1], device=targets.device)
    return torch.where(places < lengths.unsqueeze(1), targets, blank).long()


def _with_blanks(labels: Tensor, blank: int) -> Tensor:
    """A blank before, between and after the labels."""
    between = torch.stack([torch.full_like(labels, blank), labels], -1).flatten(1)
    return F.pad(between, (0, 1), value=blank)


def _log_likelihood(
    log_probs: Tensor, labels: Tensor, steps: Tensor, lengths: Tensor
) -> Tensor:
    """Sum over the paths, step by step (Graves et al., 2006)."""
    shares = log_probs.gather(2, labels.expand(len(log_probs), -1, -1))
    # a label may follow the last but one if a blank, not the same label, is between
    skips = F.pad(labels[:, 2:] != labels[:, :-2], (2, 0), value=False)
    places = torch.arange(labels.shape[1], device=labels.device)
    paths = torch.where(places < 2, shares[0], _NEVER)
    for step in range(1, len(shares)):
        one = F.pad(paths[:, :-1], (1, 0), value=_NEVER)
        two = torch.where(skips, F.pad(paths[:, :-2], (2, 0), value=_NEVER), _NEVER)
        after = torch.stack([paths, one, two]).logsumexp(0) + shares[step]
        paths = torch.where((step < steps).unsqueeze(1), after, paths)
    last = 2 * lengths.unsqueeze(1)
    ends = paths.gather(1, torch.cat([last, (last - 1).clamp_min(0)], 1))
    before = torch.where(lengths > 0, ends[:, 1], _NEVER)
    return torch.stack([ends[:, 0], before]).logsumexp(0)
