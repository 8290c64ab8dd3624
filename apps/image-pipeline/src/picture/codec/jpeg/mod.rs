mod decode;
mod encode;

pub(super) use self::decode::decode;
pub(super) use self::encode::encode;

/// Below this quality colours are stored at half the size: what it saves is seen, what it loses is not.
pub(in crate::picture) const FULL_COLOUR_FROM: u8 = 90;
