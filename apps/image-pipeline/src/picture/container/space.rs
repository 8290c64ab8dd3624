//! What the code points of a PNG's `cICP` say of its colours.
//!
//! They count before a profile (PNG, third edition, section 4.3), and what they say is written as one, which is
//! converted like any other. `gAMA` and `cHRM` are passed over, as by Pillow and libvips: too many programs wrote
//! them without meaning them.

use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, MatrixCoefficients, ToneReprCurve, TransferCharacteristics,
};

/// The colours of a picture.
#[derive(Debug)]
pub(super) enum Space {
    Srgb,
    /// Those of this profile.
    Other(Vec<u8>),
}

/// By the numbers of H.273: of the primaries, of the curve, of a matrix, and whether the range is full. `None` for
/// numbers that stand for nothing, and for light beyond white (PQ and HLG), which a result of 8 bits in sRGB cannot
/// show by a mere conversion.
pub(super) fn of_code_points([primaries, curve, matrix, is_full]: [u8; 4], is_gray: bool) -> Option<Space> {
    if (matrix, is_full) != (0, 1) {
        return None;
    }
    let primaries = CicpColorPrimaries::try_from(primaries).ok()?;
    let curve = TransferCharacteristics::try_from(curve).ok()?;
    if matches!(curve, TransferCharacteristics::Smpte2084 | TransferCharacteristics::Hlg) {
        return None;
    }
    if curve == TransferCharacteristics::Srgb && (is_gray || primaries == CicpColorPrimaries::Bt709) {
        return Some(Space::Srgb);
    }
    let profile = if is_gray {
        let mut profile = ColorProfile::new_gray_with_gamma(1.0);
        profile.gray_trc = Some(ToneReprCurve::try_from(curve).ok()?);
        profile
    } else {
        let mut profile = ColorProfile::new_srgb();
        profile.cicp = None;
        profile.update_rgb_colorimetry_from_cicp(CicpProfile {
            color_primaries: primaries,
            transfer_characteristics: curve,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        });
        // Left as it was where the numbers stand for nothing.
        profile.cicp?;
        profile
    };
    profile.encode().ok().map(Space::Other)
}
