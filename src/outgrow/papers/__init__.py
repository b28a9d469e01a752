"""What papers claim, each statement with a measurement and a verdict: one paper, one file."""

from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper, Picture

__all__ = ["Claim", "Measurement", "Paper", "Picture"]
