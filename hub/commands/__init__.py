"""The commands of `zhantu-hub`, one file each: `run(args) -> exit code`."""
