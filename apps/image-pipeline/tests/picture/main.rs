//! One picture, from bytes to bytes, on real files and on hostile ones.

// What a photograph looks like afterwards.
mod colours;
mod orientation;
mod quality;
mod sheet;
mod sizes;

// What is kept of a file, and what is not.
mod metadata;

// What a file may cost.
mod hostile;
mod weight;

mod forge;
mod look;
