//! The contact sheet in the docs shows what the code makes, and what it should make.

use std::fs;
use std::path::Path;

use crate::look::{Look, data, photo};

/// As examples/sheet.rs lays them out.
const CELL: usize = 200;
const BELOW: [&str; 8] = [
    "pil_sample_cmyk",
    "rocket",
    "transparent",
    "pil123p",
    "basn2c16",
    "frozenpond",
    "friends_by_Aitzol_Berasategi",
    "camera",
];

#[test]
fn each_cell_of_the_contact_sheet_looks_like_its_upright_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sheet.jpg");
    let sheet = Look::at_jpeg(&fs::read(path).expect("`cargo xtask sheet` makes it"));
    let upright = Look::at_jpeg(&photo("hopper.jpg"));
    for column in 0..8 {
        let alike = cell(&sheet, column * CELL, 0, &upright).psnr(&upright);
        assert!(alike >= 30.0, "orientation {}: {alike:.1} dB", column + 1);
    }
    for (column, name) in BELOW.iter().enumerate() {
        let reference = Look::at_png(&data(&format!("references/{name}.png")));
        let alike = cell(&sheet, column * CELL, CELL, &reference).psnr(&reference);
        assert!(alike >= 30.0, "{name}: {alike:.1} dB");
    }
}

/// The part of the sheet that is as large as what it is compared with.
fn cell(sheet: &Look, left: usize, top: usize, like: &Look) -> Look {
    let rows = (top..top + like.height).map(|y| {
        let at = (y * sheet.width + left) * 3;
        &sheet.data[at..at + like.width * 3]
    });
    Look { width: like.width, height: like.height, data: rows.collect::<Vec<_>>().concat() }
}
