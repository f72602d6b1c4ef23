"""What is compared: `rows` are the paper's systems and ours as data, `variants` makes a system out of another one."""
