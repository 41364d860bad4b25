//! Shaders checked without a GPU.
