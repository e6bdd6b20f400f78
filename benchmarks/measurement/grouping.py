"""Which replicates of a cell stand together: groups, and the warm-up that a group's baseline comes from; no torch.

All of it follows from the size of a block, and so from the problem and num_samples alone: every estimator has the same
groups, cold or warm.
"""

from __future__ import annotations

SMALLEST = 8  # replicates in a block, and in a group
GROUP = 32  # replicates in a group, where the block is large enough for eight of them
WARM_UP = 256  # estimates that a learned baseline sees at the frozen parameters before it is measured
BLOCKS_AT_ONCE = 4  # whose warm-ups are made side by side: those of 16 384 replicates where blocks are largest


def group_size(replicates: int) -> int:
    """Replicates in a group, of a block of so many."""
    return min(max(replicates // 8, SMALLEST), GROUP)


def blocks_at_once(size: int) -> int:
    """Consecutive blocks whose warm-ups are made together: side by side they take no longer than those of one."""
    return BLOCKS_AT_ONCE if size >= WARM_UP else WARM_UP // size


def warm_ups_at_once(size: int) -> int:
    """How many warm-ups these blocks have: one for each group where that is cheap, else one for all of them.

    A small block is one of large parameters, where a warm-up costs as much as WARM_UP replicates: it serves as many.
    """
    return blocks_at_once(size) * (size // group_size(size)) if size >= WARM_UP else 1


def blocks_of_a_warm_up(size: int) -> int:
    """Consecutive blocks that share their warm-up, all their groups alike."""
    return 1 if size >= WARM_UP else WARM_UP // size


def warm_ups(size: int, blocks: int) -> int:
    """How many warm-ups so many blocks rest on."""
    return blocks * (size // group_size(size)) if size >= WARM_UP else -(-blocks // blocks_of_a_warm_up(size))
