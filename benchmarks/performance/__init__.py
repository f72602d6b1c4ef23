"""What `recoseg predict` costs beside what a user would pick instead, and beside what the machine could do.

`python -m benchmarks.performance` (or `make bench`) measures everything in one run. Each contestant has a process of
its own, which stays while all take turns, so that memory, threads and the allocator's settings are its own and the
machine's moods are everybody's.
"""
