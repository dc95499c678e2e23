//! Running commands: absolute paths found once, argument vectors, clean environment, process groups, time limits.
