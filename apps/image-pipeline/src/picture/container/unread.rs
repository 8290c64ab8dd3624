/// The name of a format that is known and not read here, for a message that helps.
pub(super) fn name(bytes: &[u8]) -> Option<String> {
    let name = match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand.get(..4)? {
            b"avif" | b"avis" => "AVIF",
            b"heic" | b"heix" | b"heim" | b"heis" | b"mif1" | b"msf1" => "HEIF",
            _ => "video or audio in an MP4 container",
        },
        [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => "JPEG XL",
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => "JPEG 2000",
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => "BMP",
        [b'8', b'B', b'P', b'S', ..] => "Photoshop's PSD",
        [0, 0, 1, 0, ..] => "ICO",
        [b'%', b'P', b'D', b'F', ..] => "PDF",
        [b'P', b'1'..=b'7', b'\n' | b' ' | b'\r' | b'\t', ..] => "PNM",
        [b'q', b'o', b'i', b'f', ..] => "QOI",
        [b'#', b'?', b'R', b'A', b'D', ..] => "Radiance HDR",
        [0x76, 0x2F, 0x31, 0x01, ..] => "OpenEXR",
        _ => return None,
    };
    Some(name.to_owned())
}
