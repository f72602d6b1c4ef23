"""The method: exactly what the Hub gets as code.

Imports torch, numpy and diffusers, and nothing of ours outside this room.
"""
