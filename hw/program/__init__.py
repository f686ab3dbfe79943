"""The program: instructions, the compiler from the IR, and the listing that reads one back."""
