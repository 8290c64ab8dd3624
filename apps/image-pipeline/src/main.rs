//! The program `image-pipeline`.

fn main() {}
