//! Words, numbers and secrets that are driven through every path of the real program, and looked for afterwards.
