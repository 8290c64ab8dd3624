//! From 16 bits a channel to 8, rounded as 255 / 65535 and not cut off.

/// The nearest of 256 levels.
pub(super) fn level(value: u16) -> u8 {
    // Exact for all values, without a division: (value * 255 + 32895) / 65536.
    ((u32::from(value) * 255 + 32_895) >> 16) as u8
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_value_goes_to_its_nearest_level() {
        for value in 0..=u16::MAX {
            assert_eq!(super::level(value), (f64::from(value) * 255.0 / 65535.0).round() as u8, "{value}");
        }
    }
}
