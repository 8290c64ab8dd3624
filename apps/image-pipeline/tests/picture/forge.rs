//! Files that no camera wrote.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// A marker segment of a JPEG.
pub(crate) fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).expect("a segment holds 64 KB");
    [&[0xFF, marker], length.to_be_bytes().as_slice(), content].concat()
}

/// The same JPEG with these EXIF fields in front of all that it has.
pub(crate) fn with_exif(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
    let segment = segment(0xE1, &[b"Exif\0\0", exif].concat());
    [&jpeg[..2], &segment, &jpeg[2..]].concat()
}

pub(crate) fn with_orientation(jpeg: &[u8], value: u8) -> Vec<u8> {
    with_exif(jpeg, &exif(value, b"nobody"))
}

/// Little endian: an orientation, and the name of an artist.
pub(crate) fn exif(orientation: u8, artist: &[u8]) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x02\0".to_vec();
    exif.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0]);
    exif.extend([0x3B, 0x01, 2, 0, u8::try_from(artist.len()).expect("a short name"), 0, 0, 0, 38, 0, 0, 0]);
    exif.extend([0; 4]);
    exif.extend(artist);
    exif
}

/// The same JPEG without the segment by which Adobe's programs say that inks are inverted.
pub(crate) fn without_adobe(jpeg: &[u8]) -> Vec<u8> {
    // The first may be that of a thumbnail inside EXIF.
    let at = jpeg.windows(9).rposition(|bytes| bytes[..3] == [0xFF, 0xEE, 0] && bytes[4..] == *b"Adobe");
    let at = at.expect("Adobe's segment");
    let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
    [&jpeg[..at], &jpeg[at + 2 + length..]].concat()
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut checked = flate2::Crc::new();
    checked.update(name);
    checked.update(content);
    let length = u32::try_from(content.len()).expect("a chunk of test size");
    [&length.to_be_bytes(), name.as_slice(), content, &checked.sum().to_be_bytes()].concat()
}

fn deflated(bytes: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for part in bytes {
        encoder.write_all(&part).expect("memory takes all");
    }
    encoder.finish().expect("memory takes all")
}

fn png_of(width: u32, height: u32, depth: u8, kind: u8, extra: &[u8], rows: &[u8]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, kind, 0, 0, 0]);
    let signature = b"\x89PNG\r\n\x1A\n".to_vec();
    [signature, chunk(b"IHDR", &header), extra.to_vec(), chunk(b"IDAT", rows), chunk(b"IEND", &[])].concat()
}

/// A gray JPEG of 16x16 pixels whose luminance is stored at half the size of its colours.
pub(crate) fn coarse_jpeg() -> Vec<u8> {
    // One code of one bit in each: the same mean as before, and nothing else in the block.
    let table = |class: u8| segment(0xC4, &[&[class, 1], [0; 16].as_slice()].concat());
    let mut jpeg = vec![0xFF, 0xD8];
    jpeg.extend(segment(0xDB, &[&[0], [16u8; 64].as_slice()].concat()));
    jpeg.extend(segment(0xC0, &[8, 0, 16, 0, 16, 3, 1, 0x11, 0, 2, 0x22, 0, 3, 0x22, 0]));
    jpeg.extend(table(0));
    jpeg.extend(table(0x10));
    jpeg.extend(segment(0xDA, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]));
    // Nine blocks.
    jpeg.extend([0, 0, 0x3F, 0xFF, 0xD9]);
    jpeg
}

/// A PNG of pixels that a function gives.
pub(crate) fn png(
    width: u32,
    height: u32,
    depth: u8,
    kind: u8,
    pixel: impl Fn(usize, usize) -> Vec<u8>,
) -> Vec<u8> {
    let row = |y: usize| {
        let mut row = vec![0];
        row.extend((0..width as usize).flat_map(|x| pixel(x, y)));
        row
    };
    png_of(width, height, depth, kind, &[], &deflated((0..height as usize).map(row)))
}

/// The same with a colour profile.
pub(crate) fn png_with_profile(width: u32, height: u32, rgb: &[u8], profile: &[u8]) -> Vec<u8> {
    png_of_kind_with_profile(width, height, 2, rgb, profile)
}

/// The same for another kind of colours: 0 is gray, 4 is gray and alpha, 6 is colours and alpha.
pub(crate) fn png_of_kind_with_profile(
    width: u32,
    height: u32,
    kind: u8,
    pixels: &[u8],
    profile: &[u8],
) -> Vec<u8> {
    png_with_chunks(width, height, kind, pixels, &[(b"iCCP", &profile_chunk(profile))])
}

/// A profile as a PNG has it.
pub(crate) fn profile_chunk(profile: &[u8]) -> Vec<u8> {
    [b"profile\0\0", deflated([profile.to_vec()].into_iter()).as_slice()].concat()
}

/// A PNG of 8 bits with these chunks in front of its pixels; kinds as before.
pub(crate) fn png_with_chunks(
    width: u32,
    height: u32,
    kind: u8,
    pixels: &[u8],
    chunks: &[(&[u8; 4], &[u8])],
) -> Vec<u8> {
    let extra: Vec<u8> = chunks.iter().flat_map(|(name, content)| chunk(name, content)).collect();
    let rows = pixels.chunks_exact(pixels.len() / height as usize).map(|row| [&[0], row].concat());
    png_of(width, height, 8, kind, &extra, &deflated(rows))
}

/// A profile of gray whose numbers are light itself, and not its appearance.
pub(crate) fn profile_of_light() -> Vec<u8> {
    let mut profile = vec![0; 128];
    for (at, text) in [(8, b"\x02\x40\0\0"), (12, b"mntr"), (16, b"GRAY"), (20, b"XYZ "), (36, b"acsp")] {
        profile[at..at + 4].copy_from_slice(text);
    }
    // D50, which the profile's colours are relative to.
    let white = [0, 0, 0xF6, 0xD6, 0, 1, 0, 0, 0, 0, 0xD3, 0x2D];
    profile[68..80].copy_from_slice(&white);
    profile.extend([0, 0, 0, 2]);
    profile.extend(b"wtpt\0\0\0\x9C\0\0\0\x14");
    profile.extend(b"kTRC\0\0\0\xB0\0\0\0\x10");
    profile.extend(b"XYZ \0\0\0\0");
    profile.extend(white);
    profile.extend(b"curv\0\0\0\0\0\0\0\x01\x01\0\0\0");
    let length = u32::try_from(profile.len()).expect("a few bytes");
    profile[..4].copy_from_slice(&length.to_be_bytes());
    profile
}

/// A PNG whose pixels are all zero, at this many bytes a row.
pub(crate) fn empty_png(width: u32, height: u32, depth: u8, kind: u8, row: usize) -> Vec<u8> {
    png_of(width, height, depth, kind, &[], &deflated((0..height).map(|_| vec![0; row + 1])))
}

/// A small PNG with a chunk that inflates to 200 MB behind `intro`.
pub(crate) fn png_with_bomb(name: &[u8; 4], intro: &[u8]) -> Vec<u8> {
    let bomb = deflated((0..200).map(|_| vec![b'A'; 1 << 20]));
    let extra = chunk(name, &[intro, &bomb].concat());
    png_of(8, 8, 8, 2, &extra, &deflated((0..8).map(|_| vec![0; 25])))
}

/// A TIFF of one strip, uncompressed, with a colour profile.
pub(crate) fn tiff(width: u32, height: u32, rgb: &[u8], profile: &[u8]) -> Vec<u8> {
    let long = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a file of test size");
    // Behind the header and nine fields.
    let start = 8 + 2 + 9 * 12 + 4;
    let fields = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (262, 3, 1, 2),
        (273, 4, 1, start),
        (277, 3, 1, 3),
        (278, 4, 1, height),
        (279, 4, 1, long(rgb)),
        (34_675, 7, long(profile), start + long(rgb)),
    ];
    tiff_of(&fields, &[rgb, profile].concat())
}

/// A TIFF of one strip that is a whole JPEG, whose colours are stored as JPEG stores them.
pub(crate) fn tiff_of_jpeg(width: u32, height: u32, jpeg: &[u8]) -> Vec<u8> {
    tiff_of_strip(width, height, 3, &[(259, 1, 7), (262, 1, 6)], jpeg)
}

/// A TIFF of one strip, 8 bits a channel, with more fields of short numbers: each a name, a count and a value.
pub(crate) fn tiff_of_strip(
    width: u32,
    height: u32,
    channels: u32,
    more: &[(u16, u32, u32)],
    strip: &[u8],
) -> Vec<u8> {
    let start = 8 + 2 + (7 + more.len() as u32) * 12 + 4 + 2 * channels;
    let length = u32::try_from(strip.len()).expect("a file of test size");
    let depths = if channels > 2 { start - 2 * channels } else { 0x0008_0008 };
    let mut fields = vec![
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, depths),
        (273, 4, 1, start),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, length),
    ];
    fields.extend(more.iter().map(|(name, count, value)| (*name, 3, *count, *value)));
    fields.sort_unstable();
    tiff_of(&fields, &[[8, 0].repeat(channels as usize).as_slice(), strip].concat())
}

/// A TIFF of these fields, each a name, a type, a count and a value, with something behind them.
pub(crate) fn tiff_of(fields: &[(u16, u16, u32, u32)], behind: &[u8]) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    tiff.extend(u16::try_from(fields.len()).expect("a few fields").to_le_bytes());
    for (name, kind, count, value) in fields {
        tiff.extend(name.to_le_bytes());
        tiff.extend(kind.to_le_bytes());
        tiff.extend(count.to_le_bytes());
        tiff.extend(value.to_le_bytes());
    }
    tiff.extend([0; 4]);
    tiff.extend(behind);
    tiff
}

/// A TIFF of a hundred rows that names so many strips.
pub(crate) fn tiff_of_strips(count: u32) -> Vec<u8> {
    let start = 8 + 2 + 8 * 12 + 4;
    let fields = [
        (256, 4, 1, 100),
        (257, 4, 1, 100),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, count, start),
        (277, 3, 1, 1),
        (278, 4, 1, 1),
        (279, 4, count, start),
    ];
    tiff_of(&fields, &1u32.to_le_bytes().repeat(count as usize))
}

/// A TIFF of one pixel of so many bits.
pub(crate) fn tiff_of_depth(depth: u32) -> Vec<u8> {
    let start = 8 + 2 + 8 * 12 + 4;
    let fields = [
        (256, 4, 1, 1),
        (257, 4, 1, 1),
        (258, 3, 1, depth),
        (262, 3, 1, 1),
        (273, 4, 1, start),
        (277, 3, 1, 1),
        (278, 4, 1, 1),
        (279, 4, 1, depth / 8),
    ];
    tiff_of(&fields, &[0; 8])
}

/// A picture of 144 megapixels on a screen of a hundred pixels.
pub(crate) fn gif_over_screen() -> Vec<u8> {
    let mut gif = b"GIF89a\x0A\0\x0A\0\x80\0\0\0\0\0\xFF\xFF\xFF".to_vec();
    gif.extend(b",\0\0\0\0\xE0\x2E\xE0\x2E\0\x02\x02D\x01\0;");
    gif
}

/// The same WebP on a canvas of a hundred pixels.
pub(crate) fn webp_over_canvas(webp: &[u8]) -> Vec<u8> {
    let mut patched = webp.to_vec();
    let at = webp.windows(4).position(|bytes| bytes == b"VP8X").expect("an extended WebP");
    patched[at + 12..at + 18].copy_from_slice(&[9, 0, 0, 9, 0, 0]);
    patched
}

/// A profile of which all entries share one table, of `grid` levels for each of three colours.
pub(crate) fn profile_of_one_table(grid: u8) -> Vec<u8> {
    let mut table = b"mft1\0\0\0\0\x03\x03".to_vec();
    table.extend([grid, 0]);
    for index in 0..9 {
        table.extend(if index % 4 == 0 { [0, 1, 0, 0] } else { [0; 4] });
    }
    let straight = || (0..3).flat_map(|_| 0..=255u8);
    table.extend(straight());
    table.extend((0..usize::from(grid).pow(3) * 3).map(|index| (index % 251) as u8));
    table.extend(straight());
    let names = [b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2", b"gamt", b"A2B1"];
    let mut profile = vec![0; 128];
    for (at, text) in [(8, b"\x02\x40\0\0"), (12, b"mntr"), (16, b"RGB "), (20, b"Lab "), (36, b"acsp")] {
        profile[at..at + 4].copy_from_slice(text);
    }
    // D50, which the profile's colours are relative to.
    profile[68..80].copy_from_slice(&[0, 0, 0xF6, 0xD6, 0, 1, 0, 0, 0, 0, 0xD3, 0x2D]);
    profile.extend((names.len() as u32).to_be_bytes());
    let start = 128 + 4 + 12 * names.len() as u32;
    for name in names {
        profile.extend(name);
        profile.extend(start.to_be_bytes());
        profile.extend((table.len() as u32).to_be_bytes());
    }
    profile.extend(table);
    let length = u32::try_from(profile.len()).expect("a few megabytes");
    profile[..4].copy_from_slice(&length.to_be_bytes());
    profile
}

/// 20,000 frames of one pixel on a screen of 16 megapixels, for ever.
pub(crate) fn frames_gif() -> Vec<u8> {
    let mut gif = b"GIF89a\0\x10\0\x10\x80\0\0\0\0\0\xFF\xFF\xFF!\xFF\x0BNETSCAPE2.0\x03\x01\0\0\0".to_vec();
    for _ in 0..20_000 {
        gif.extend(b"!\xF9\x04\x04\x01\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0");
    }
    gif.push(b';');
    gif
}

/// A progressive JPEG of 64 megapixels and 1,001 scans, valid, each of which costs a pass.
pub(crate) fn scan_bomb() -> Vec<u8> {
    // One code for "no change" of the mean; runs of 32,767 blocks without anything else.
    let blocks = 1_000_000;
    let bits = |text: String| -> Vec<u8> {
        let padded = format!("{text}{}", "1".repeat(text.len().wrapping_neg() % 8));
        let byte = |digits: &[u8]| digits.iter().fold(0, |byte, digit| byte << 1 | (digit - b'0'));
        let bytes = padded.as_bytes().chunks(8).map(byte);
        bytes.flat_map(|byte| if byte == 0xFF { vec![0xFF, 0] } else { vec![byte] }).collect()
    };
    let (full, rest): (usize, u32) = (blocks / 32_767, (blocks % 32_767) as u32);
    let length = rest.ilog2() as usize;
    let tail = format!("10{:0length$b}", rest - (1 << length));
    let runs = bits(format!("{}{tail}", format!("0{}", "1".repeat(14)).repeat(full)));
    let table = |class: u8, symbols: &[u8]| {
        let mut counts = [0; 16];
        (counts[0], counts[1]) = (1, symbols.len() as u8 - 1);
        segment(0xC4, &[&[class], counts.as_slice(), symbols].concat())
    };
    let scan = |band: u8| segment(0xDA, &[1, 1, 0, band, band, 0]);
    let mut jpeg = vec![0xFF, 0xD8];
    jpeg.extend(segment(0xDB, &[&[0], [16u8; 64].as_slice()].concat()));
    jpeg.extend(segment(0xC2, &[8, 0x1F, 0x40, 0x1F, 0x40, 1, 1, 0x11, 0]));
    jpeg.extend(table(0, &[0]));
    jpeg.extend(table(0x10, &[0xE0, (length as u8) << 4]));
    jpeg.extend(scan(0));
    jpeg.extend(bits("0".repeat(blocks)));
    for number in 0..1000u32 {
        jpeg.extend(scan(1 + (number % 63) as u8));
        jpeg.extend(&runs);
    }
    jpeg.extend([0xFF, 0xD9]);
    jpeg
}

/// The same JPEG with other sides in its header.
pub(crate) fn with_sides(jpeg: &[u8], side: u16) -> Vec<u8> {
    let mut patched = jpeg.to_vec();
    let at = jpeg.windows(4).position(|bytes| bytes == [0xFF, 0xC0, 0, 17]).expect("a baseline header");
    patched[at + 5..at + 7].copy_from_slice(&side.to_be_bytes());
    patched[at + 7..at + 9].copy_from_slice(&side.to_be_bytes());
    patched
}
