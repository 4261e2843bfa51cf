"""Attention: the probabilities of every attention call of a pass, and the relevance that they carry from token to token."""

from notebook_explain.models.attention.attention_calls import AttentionCall, AttentionRecorder
from notebook_explain.models.attention.relevance import Relevance, relevance_of

__all__ = ["AttentionCall", "AttentionRecorder", "Relevance", "relevance_of"]
