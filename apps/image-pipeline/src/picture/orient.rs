//! Turns a stored picture upright.

use super::Orientation;
use super::pixels::Pixels;

/// As it is seen. EXIF's numbers say on which sides the first row and the first column are shown.
pub(super) fn upright(pixels: Pixels, orientation: Orientation) -> Pixels {
    match pixels.layout.channels() {
        1 => turn::<1>(pixels, orientation),
        3 => turn::<3>(pixels, orientation),
        _ => turn::<4>(pixels, orientation),
    }
}

fn turn<const N: usize>(mut pixels: Pixels, orientation: Orientation) -> Pixels {
    let (width, height) = (pixels.width as usize, pixels.height as usize);
    match orientation.value() {
        2 => {
            let (stored, _) = pixels.data.as_chunks_mut::<N>();
            stored.chunks_exact_mut(width).for_each(<[_]>::reverse);
        }
        3 => pixels.data.as_chunks_mut::<N>().0.reverse(),
        4 => {
            let row = width * N;
            for y in 0..height / 2 {
                let (above, below) = pixels.data.split_at_mut((height - 1 - y) * row);
                above[y * row..][..row].swap_with_slice(&mut below[..row]);
            }
        }
        turned @ 5..=8 => {
            // Columns of what is stored become rows, from whichever end the value says.
            let (is_mirrored_x, is_mirrored_y) = (matches!(turned, 6 | 7), matches!(turned, 7 | 8));
            let (stored, _) = pixels.data.as_chunks::<N>();
            let mut data = Vec::with_capacity(pixels.data.len());
            for y in 0..width {
                let x = if is_mirrored_y { width - 1 - y } else { y };
                for column in 0..height {
                    let row = if is_mirrored_x { height - 1 - column } else { column };
                    data.extend_from_slice(&stored[row * width + x]);
                }
            }
            pixels.data = data;
            (pixels.width, pixels.height) = (pixels.height, pixels.width);
        }
        _ => {}
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::pixels::Layout;

    /// The letter F, as each of the eight stores it.
    const STORED: [(u16, &str); 8] = [
        (1, "### #.. ##. #.."),
        (2, "### ..# .## ..#"),
        (3, "..# .## ..# ###"),
        (4, "#.. ##. #.. ###"),
        (5, "#### #.#. #..."),
        (6, "#... #.#. ####"),
        (7, "...# .#.# ####"),
        (8, "#### .#.# ...#"),
    ];

    #[test]
    fn each_of_the_eight_becomes_the_same_letter() {
        for (value, stored) in STORED {
            let rows: Vec<_> = stored.split(' ').collect();
            for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
                let bytes = rows.concat().into_bytes();
                let data = bytes.iter().flat_map(|byte| vec![*byte; layout.channels()]).collect();
                let pixels = Pixels::new(rows[0].len() as u32, rows.len() as u32, layout, data);
                let orientation = Orientation::new(value).expect("1 to 8");
                let upright = upright(pixels, orientation);
                let seen: Vec<u8> = upright.data.iter().copied().step_by(layout.channels()).collect();
                assert_eq!((upright.width, upright.height), (3, 4), "orientation {value}");
                assert_eq!(String::from_utf8_lossy(&seen), "####..##.#..", "orientation {value}");
            }
        }
    }
}
