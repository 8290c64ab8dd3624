//! No limit: the service alone, which all layers are laid around.

use super::{Call, Contender, Immediate};

pub(super) const CONTENDER: Contender = Contender {
    name: "none",
    package: "forebay-bench",
    about: "nothing",
    call: true,
    shared: true,
    measure: |load| load.drive(|| Call(Immediate)),
};
